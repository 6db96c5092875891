// The second view: what happened lately, read anew every few seconds while it is seen.

import { ask, Problem } from "./api.js";
import { el, find } from "./elements.js";
import { panels } from "./panels.js";
import { percent, seconds, usd, whole } from "./numbers.js";

const EVERY_MS = 10_000;
const charts = panels();
let timer = null;
let latest = 0;

find("charts").append(...charts.map(({ chart }) => chart.element));
find("span").addEventListener("change", () => load(true));
find("live").addEventListener("change", () => load(false));
document.addEventListener("visibilitychange", () => {
  if (!find("traffic").hidden && !document.hidden) load(false);
});

export const showTraffic = () => load(true);
export const leaveTraffic = () => clearTimeout(timer);

// Read and show; what changes by itself is not announced.
async function load(announced) {
  clearTimeout(timer);
  const mine = (latest += 1);
  try {
    const found = await (await ask(`/v1/traffic?span=${find("span").value}`)).json();
    if (mine !== latest) return;
    find("traffic-problem").textContent = "";
    show(found, announced);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (mine === latest) find("traffic-problem").textContent = error.message;
  }
  if (mine === latest && find("live").checked && !document.hidden && !find("traffic").hidden) {
    timer = setTimeout(() => load(false), EVERY_MS);
  }
}

function show(found, announced) {
  const empty = !found.memory || !found.requests.decided;
  find("numbers").hidden = empty;
  const said = !found.memory
    ? "This gateway keeps nothing (memory: none in its settings), so there is no traffic to show."
    : empty ? "No requests in this span." : `${whole(found.requests.decided)} requests in this span.`;
  if (announced || empty || find("traffic-status").textContent !== "") find("traffic-status").textContent = said;
  if (!found.memory) return;
  find("updated").textContent = `As of ${new Date(found.until).toLocaleTimeString()}`;
  if (empty) return;
  find("totals").replaceChildren(...totals(found));
  for (const { chart, draw } of charts) draw(chart, found);
}

function totals({ requests, latency_s: latency, decision_s: decision, cost, feedback }) {
  const saved = cost.single_usd ? 1 - cost.actual_usd / cost.single_usd : null;
  return [
    total("Requests", whole(requests.decided), `${whole(requests.answered)} answered, ${whole(requests.only_decided)} only ranked`),
    total("Fell back", whole(requests.fell_back), "a VLM failed, and another was asked"),
    total("Router failed", whole(requests.failed_open), "the default VLM answered"),
    total("Failed", whole(requests.failed), `besides, ${whole(requests.client_left)} clients left`),
    total("Latency", seconds(latency?.p50), `median; 95th percentile ${seconds(latency?.p95)}`),
    total("Decision", seconds(decision?.p50), `median; 95th percentile ${seconds(decision?.p95)}`),
    total("Cost", usd(cost.actual_usd), saved === null ? "of the answers with a known cost"
      : `${percent(Math.abs(saved))} ${saved < 0 ? "more" : "less"} than always ${cost.single}`),
    total("Right by feedback", percent(feedback?.accuracy), feedback
      ? `${percent(feedback.low)} to ${percent(feedback.high)}, of ${whole(feedback.judged)}` : "no feedback yet"),
  ];
}

function total(name, value, more) {
  return el("div", {}, el("dt", { textContent: name }),
    el("dd", {}, el("span", { className: "big", textContent: value }), el("span", { className: "hint", textContent: more })));
}
