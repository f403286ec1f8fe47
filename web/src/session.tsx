/** Who is asking: a token where one is needed, and what it lets do. */
import { createContext } from "preact";
import { useContext, useState } from "preact/hooks";
import { type Problem, ask } from "./api";
import { Act, Top, Trouble } from "./ui";

export interface Session {
  owner: string;
  scopes: string[];
  token: string | null;
}

export const Who = createContext<Session>({ owner: "", scopes: [], token: null });

/** Whether there is a point in showing buttons. */
export function useMayChange(): boolean {
  const { scopes } = useContext(Who);
  return scopes.includes("submit") || scopes.includes("admin");
}

export function LogOut() {
  const { token, owner } = useContext(Who);
  const [problem, setProblem] = useState<Problem>();
  if (token === null) return null;
  const leave = async () => {
    await ask("DELETE", "/v1/session");
    location.reload();
  };
  return (
    <>
      <span class="note">{owner}</span>
      <Act kind="quiet" run={leave} onProblem={setProblem}>
        Log out
      </Act>
      <Trouble problem={problem} />
    </>
  );
}

export function LogIn({ onSession }: { onSession: (session: Session) => void }) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<Problem>();
  const enter = async () => onSession(await ask<Session>("POST", "/v1/session", { token }));
  return (
    <>
      <Top />
      <main id="main" class="narrow">
        <form class="card" onSubmit={(event) => event.preventDefault()}>
          <h1>Log in</h1>
          <p class="say">
            This daemon wants a token: <code>narrowd token create --owner NAME --scope read</code> on its machine makes one. It is kept in a cookie that
            scripts cannot read.
          </p>
          <div class="fields">
            <label>
              Token
              <input type="password" autocomplete="current-password" value={token} onInput={(event) => setToken(event.currentTarget.value)} />
            </label>
          </div>
          <Trouble problem={problem} />
          <div class="buttons">
            <Act kind="primary" submit run={enter} onProblem={setProblem}>
              Log in
            </Act>
          </div>
        </form>
      </main>
    </>
  );
}
