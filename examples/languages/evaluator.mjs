// An evaluator in JavaScript: what is asked over HTTP, and what is answered. Nothing in here knows what is measured.
//
//     node evaluator.mjs [PORT]
import http from "node:http";
import { json } from "node:stream/consumers";
import { CannotRun, apply, capability, measure } from "./network.mjs";

let busy = false;

async function answer(request) {
  if (request.url === "/capability") return [200, capability];
  if (!["/baseline", "/evaluate"].includes(request.url)) return [404, { error: `${request.url} is not answered here` }];
  const { config } = await json(request);
  if (busy) return [503, { error: "busy with another question" }, { "Retry-After": 1 }]; // who waited would be charged for it
  busy = true; // two measurements would disturb each other
  try {
    return [200, await measure(apply(config))];
  } catch (error) {
    if (error instanceof CannotRun) return [200, { failed: true, error: error.message, retryable: false }];
    throw error;
  } finally {
    busy = false;
  }
}

const server = http.createServer(async (request, response) => {
  const failure = (error) => [500, { error: String(error) }]; // another attempt may succeed
  const [status, body, headers] = await answer(request).catch(failure);
  response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
});
server.listen(process.argv[2] ?? 9002, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
