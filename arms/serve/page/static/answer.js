// The answer, shown as it comes, and what is said of it.

import { ask, Problem } from "./api.js";
import { find } from "./elements.js";
import { seconds, whole } from "./numbers.js";

const place = find("answer");
const feedback = find("feedback");
let requestId = null;

export function hideAnswer() {
  find("answer-part").hidden = true;
  feedback.hidden = true;
}

// Ask for the answer and show it; gives what is to be said at its end.
export async function streamAnswer(request, about, signal, say) {
  const started = performance.now();
  const body = { ...request, stream: true, stream_options: { include_usage: true } };
  const response = await ask("/v1/chat/completions", { body, signal });
  const vlm = nameIn(response, "x-arms-vlm");
  const failed = nameIn(response, "x-arms-fallbacks");
  find("answer-part").hidden = false;
  find("answered-by").textContent = `${vlm} answers …`;
  place.replaceChildren();
  place.setAttribute("aria-busy", "true");
  say(`${vlm} answers …`);
  try {
    const usage = await show(response);
    const time = seconds((performance.now() - started) / 1000);
    const tokens = usage ? `, with ${whole(usage.prompt_tokens)} + ${whole(usage.completion_tokens)} tokens` : "";
    const said = `${vlm} answered in ${time}${tokens}${failed ? `, after ${failed.replaceAll(",", ", ")} failed` : ""}.`;
    find("answered-by").textContent = said;
    offerFeedback(response.headers.get("x-request-id"), about);
    return said;
  } catch (error) {
    find("answered-by").textContent = `The answer of ${vlm} is not complete.`;
    throw error;
  } finally {
    place.removeAttribute("aria-busy");
  }
}

// Names may hold any character, so headers carry them encoded.
const nameIn = (response, header) => decodeURIComponent(response.headers.get(header) ?? "");

async function show(response) {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    const { choices, usage } = await response.json();
    place.append(choices?.[0]?.message?.content ?? "");
    return usage;
  }
  let usage = null;
  for await (const { error, choices, usage: counted } of events(response.body)) {
    if (error) throw new Problem(`The answer broke off: ${error.message}`);
    place.append(choices?.[0]?.delta?.content ?? "");
    usage = counted ?? usage;
  }
  return usage;
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await read(reader);
    const lines = (rest + (value ?? "\n")).split(/\r\n|\n|\r/);
    rest = lines.pop();
    for (const line of lines) {
      const data = line.startsWith("data:") ? line.slice(5).trim() : "";
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
    if (done) return;
  }
}

async function read(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The answer broke off: the connection to the gateway ended.");
  }
}

function offerFeedback(id, about) {
  requestId = id;
  feedback.hidden = !about.memory;
  for (const button of feedback.querySelectorAll("button")) button.setAttribute("aria-pressed", "false");
}

for (const button of feedback.querySelectorAll("button")) {
  button.addEventListener("click", async () => {
    try {
      await ask("/v1/feedback", { body: { request_id: requestId, correct: button.dataset.correct === "true" } });
      for (const other of feedback.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
      find("status").textContent = `Noted as ${button.textContent.toLowerCase()}.`;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      find("problem").textContent = error.message;
    }
  });
}
