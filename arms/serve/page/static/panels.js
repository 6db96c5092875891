// What the charts of the traffic show, and how it is said in words.

import { bars, Chart, columns, intervals } from "./charts.js";
import { el } from "./elements.js";
import { percent, seconds, usd, whole } from "./numbers.js";

export function panels() {
  return [
    { chart: new Chart("Share of each VLM", "Of the requests that were answered.", ["VLM", "Answered", "Share", "Chosen", "Cost"]), draw: shares },
    { chart: new Chart("Novelty", "How unlike the training queries the requests were. 0: like them.", ["Novelty", "Requests"]), draw: novelties },
    { chart: new Chart("Latency", "From the median, the mark, to the 95th percentile.", ["What", "Median", "95th percentile", "Number"]), draw: latencies },
    { chart: new Chart("Cost", "", ["Way", "Cost", "95 % interval"]), draw: costs },
    { chart: new Chart("Right, by feedback", "With 95 % intervals (Wilson). Each VLM by the requests that it received, so not a fair contest.",
      ["VLM", "Right", "Judged", "Share", "95 % interval"]), draw: accuracies },
    { chart: new Chart("Why a VLM was asked", "", ["Reason", "Requests", "Share"]), draw: reasons },
  ];
}

const said = (rows) => rows.map(({ name, text }) => `${name} ${text}`).join("; ");
const nothing = (chart, words) => chart.update(el("p", { textContent: words }), words, []);

function shares(chart, { vlms, requests }) {
  if (!requests.answered) return nothing(chart, "Nothing was answered in this span.");
  const rows = vlms.filter(({ answered }) => answered).map(({ vlm, share }) => ({ name: vlm, share, text: percent(share) }));
  chart.update(bars(rows), said(rows), vlms.map((one) => [
    one.vlm, whole(one.answered), percent(one.share), whole(one.chosen), usd(one.cost_usd),
  ]));
}

function novelties(chart, { novelty }) {
  if (novelty === null) return nothing(chart, "Not known: the router cannot say, or was not asked.");
  const ends = novelty.edges.map((edge) => edge.toFixed(3).replace(/0$/, ""));
  const table = novelty.counts.map((count, place) => [`${ends[place]} to ${ends[place + 1]}`, whole(count)]);
  const words = table.filter((_, place) => novelty.counts[place]).map(([range, count]) => `${range}: ${count}`).join("; ");
  chart.update(columns(novelty.counts, ends[0], ends.at(-1)), words, table);
}

function latencies(chart, { vlms, latency_s: all, first_byte_s: first, decision_s: decision }) {
  const known = [
    ["All answers", all], ...vlms.map(({ vlm, latency_s: one }) => [vlm, one]), ["First byte", first], ["Decision", decision],
  ].filter(([, one]) => one);
  if (!known.length) return nothing(chart, "Nothing was answered in this span.");
  const most = Math.max(...known.map(([, one]) => one.p95)) || 1;
  const rows = known.map(([name, { p50, p95 }]) => ({
    name, low: p50 / most, at: p50 / most, high: p95 / most, text: `${seconds(p50)} to ${seconds(p95)}`,
  }));
  const words = known.map(([name, { p50, p95 }]) => `${name}: median ${seconds(p50)}, 95th percentile ${seconds(p95)}`).join("; ");
  chart.update(intervals(rows), words, known.map(([name, one]) => [name, seconds(one.p50), seconds(one.p95), whole(one.number)]));
}

function costs(chart, { cost }) {
  const { single, number, single_number: of, actual_usd: actual, single_usd: alone } = cost;
  chart.note.textContent = alone === null
    ? `Nothing to compare with: no answer of ${single}, the best single VLM, with a known cost.`
    : `Always ${single}: estimated by the mean cost of its own ${whole(of)} answers, times the ${whole(number)} answers of known `
      + "cost. Requests that named their VLM are left out.";
  if (actual === null) return nothing(chart, "No cost is known in this span.");
  const most = Math.max(actual, cost.single_high_usd ?? alone ?? 0) || 1;
  const rows = [{ name: "As routed", share: actual / most, text: usd(actual) }];
  if (alone !== null) rows.push({ name: `Always ${single}`, share: alone / most, text: usd(alone) });
  const range = cost.single_low_usd === null ? "unknown" : `${usd(cost.single_low_usd)} to ${usd(cost.single_high_usd)}`;
  const table = rows.map(({ name, text }, place) => [name, text, place ? range : "as recorded"]);
  chart.update(bars(rows), said(rows), table);
}

function accuracies(chart, { vlms, feedback }) {
  const judged = [["All answers", feedback], ...vlms.map(({ vlm, feedback: one }) => [vlm, one])].filter(([, one]) => one);
  if (!judged.length) return nothing(chart, "No feedback in this span.");
  const rows = judged.map(([name, { low, accuracy, high }]) => ({ name, low, at: accuracy, high, text: percent(accuracy) }));
  chart.update(intervals(rows), said(rows), judged.map(([name, one]) => [
    name, whole(one.right), whole(one.judged), percent(one.accuracy), `${percent(one.low)} to ${percent(one.high)}`,
  ]));
}

const REASONS = {
  policy: "Policy", explore: "Drawn to learn", sticky: "Stays with its session", default: "Router failed",
  named: "Named by the client", shadow: "Only watching",
};

function reasons(chart, { reasons: counted, requests }) {
  const rows = Object.entries(counted).map(([reason, count]) => ({
    name: REASONS[reason] ?? reason, share: count / requests.decided, count, text: percent(count / requests.decided),
  }));
  chart.update(bars(rows), said(rows), rows.map(({ name, count, text }) => [name, whole(count), text]));
}
