// What a page's main thread does, in CPU time: another process that wants the machine does not count.

const CATEGORIES = ["toplevel", "disabled-by-default-devtools.timeline", "devtools.timeline", "__metadata"];

/** The tasks of the main thread while `act` goes on, the longest first: CPU milliseconds of each, and what most of it was. */
export async function tasks(client, act) {
  const events = [];
  const collect = ({ value }) => events.push(...value);
  client.on("Tracing.dataCollected", collect);
  await client.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: CATEGORIES } });
  await act();
  const complete = new Promise((resolve) => client.once("Tracing.tracingComplete", resolve));
  await client.send("Tracing.end");
  await complete;
  client.off("Tracing.dataCollected", collect);
  const main = new Set(events.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain").map((e) => `${e.pid} ${e.tid}`));
  const ours = events.filter((e) => main.has(`${e.pid} ${e.tid}`) && e.tdur > 0);
  return ours
    .filter((e) => e.name === "RunTask")
    .sort((a, b) => b.tdur - a.tdur)
    .map((task) => ({
      ms: task.tdur / 1000,
      get what() {
        const inside = ours.filter((e) => e !== task && e.name !== "RunTask" && e.pid === task.pid && e.ts >= task.ts && e.ts + e.dur <= task.ts + task.dur);
        const most = inside.sort((a, b) => b.tdur - a.tdur).slice(0, 3);
        return most.map((e) => `${e.name} ${Math.round(e.tdur / 1000)}`).join(", ");
      },
    }));
}
