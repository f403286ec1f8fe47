/** What an evaluator can do to its model, asked before a job is made, and what of it the job leaves alone. */
import { useState } from "preact/hooks";
import { type Evaluator, type Problem, ask } from "./api";
import { Act, Table, Trouble } from "./ui";
import { plural } from "./words";

interface Capability {
  framework?: string;
  model?: { name?: string; revision?: string };
  op_types?: Record<string, Record<string, unknown>>;
  ops: { name: string; type: string; modes?: Record<string, unknown> }[];
  answers?: string[];
  metrics?: string[];
}

export interface Offer {
  model: string;
  ops: number;
  types: { type: string; count: number; modes: string[] }[];
  metrics: string[];
}

const APPROACHES: Record<string, string[]> = { static: ["static"], dynamic: ["dynamic"], auto: ["static", "dynamic"], weight_only: ["weight_only"], qat: ["static", "dynamic"] };

function offerOf(capability: Capability): Offer {
  const types = new Map<string, { type: string; count: number; modes: string[] }>();
  for (const { type, modes } of capability.ops) {
    const one = types.get(type) ?? { type, count: 0, modes: [] };
    one.count += 1;
    one.modes = [...new Set([...one.modes, ...Object.keys(modes ?? capability.op_types?.[type] ?? {})])];
    types.set(type, one);
  }
  return {
    model: [capability.model?.name, capability.framework && `in ${capability.framework}`].filter(Boolean).join(" ") || "the model",
    ops: capability.ops.length,
    types: [...types.values()],
    metrics: capability.metrics ?? [],
  };
}

/** How many operators an approach quantizes, if that is known. */
export function reach(offer: Offer | undefined, approach: string): string {
  if (!offer) return "";
  const count = offer.types.filter(({ modes }) => APPROACHES[approach]?.some((mode) => modes.includes(mode))).reduce((sum, one) => sum + one.count, 0);
  return `, ${count === 0 ? "no operator" : plural(count, "operator")}`;
}

async function probed(id: string): Promise<Offer> {
  const probe = await ask<{ ok: boolean; capability: Capability | null; error: string | null }>("POST", `/v1/evaluators/${id}/probe`);
  if (!probe.ok || !probe.capability) throw { status: 0, title: "The evaluator cannot be used", detail: probe.error ?? "it does not say why" } satisfies Problem;
  return offerOf(probe.capability);
}

/** The one at a URL is registered for as long as the question takes. */
async function probedAt(url: string): Promise<Offer> {
  const { id } = await ask<Evaluator>("POST", "/v1/evaluators", { url });
  try {
    return await probed(id);
  } finally {
    await ask("DELETE", `/v1/evaluators/${id}`);
  }
}

export function AskWhat(props: { where: string; target: string; offer: Offer | undefined; kept: string[]; onOffer: (offer: Offer) => void; onKept: (types: string[]) => void }) {
  const { where, target, offer, kept } = props;
  const [problem, setProblem] = useState<Problem>();
  if (where === "pool") return <p class="note">Nobody can be asked before the job is there: it needs a capability, as JSON.</p>;
  const find = async () => props.onOffer(await (where === "url" ? probedAt(target) : probed(where)));
  return (
    <div class="offer">
      <Act run={find} onProblem={setProblem} disabled={where === "url" && target === ""}>
        Ask it what it can do
      </Act>
      <Trouble problem={problem} />
      {offer && (
        <>
          <p class="note" role="status">
            {offer.model}: {plural(offer.ops, "operator")}; measures {offer.metrics.join(", ") || "what it does not say"}.
          </p>
          <Table
            caption="Types of operators"
            rows={offer.types}
            rowKey={(one) => one.type}
            columns={[
              { head: "type", cell: (one) => <span class="op">{one.type}</span> },
              { head: "operators", number: true, cell: (one) => one.count },
              { head: "can be", cell: (one) => one.modes.join(", ") || "fp32" },
              {
                head: "keep in fp32",
                cell: (one) => (
                  <input
                    type="checkbox"
                    aria-label={`Keep ${one.type} in fp32`}
                    checked={kept.includes(one.type)}
                    onChange={(event) => props.onKept(event.currentTarget.checked ? [...kept, one.type] : kept.filter((type) => type !== one.type))}
                  />
                ),
              },
            ]}
          />
        </>
      )}
    </div>
  );
}
