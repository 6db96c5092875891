// The first view: ask, see the ranking and why, then the answer as it comes.

import { ask, Problem } from "./api.js";
import { hideAnswer, streamAnswer } from "./answer.js";
import { el, find } from "./elements.js";
import { countPictures, readPictures, watchPictures } from "./pictures.js";
import { showRanking } from "./ranking.js";
import { showWhy } from "./why.js";

const form = find("ask-form");
const question = find("question");
const stop = find("stop");
let running = null;

export function watchForm(about) {
  watchPictures(about, (text, problem) => (problem ? complain(text) : say(text)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin(about, true);
  });
  find("rank").addEventListener("click", () => begin(about, false));
  stop.addEventListener("click", () => running?.abort());
  question.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

// Offer the policies that the gateway has, where there are any besides its own.
export async function offerPolicies() {
  const { data } = await (await ask("/v1/models")).json();
  const policies = data.map(({ id }) => id).filter((id) => id === "auto" || id.startsWith("arms/"));
  find("model").replaceChildren(
    ...policies.map((id) => el("option", { value: id, textContent: id === "auto" ? "the router's own policy" : id })),
  );
  find("model-choice").hidden = policies.length < 2;
}

async function begin(about, answer) {
  if (!question.value.trim() && !countPictures()) {
    complain("Give a picture, a question, or both.");
    question.focus();
    return;
  }
  running?.abort();
  const mine = (running = new AbortController());
  complain("");
  say("Asking the router …");
  stop.hidden = false;
  try {
    await go(about, answer, mine.signal);
  } catch (error) {
    if (running !== mine) return;
    say(error.name === "AbortError" ? "Stopped." : "");
    if (error instanceof Problem) complain(error.message);
    else if (error.name !== "AbortError") throw error;
  } finally {
    if (running === mine) end();
  }
}

async function go(about, answer, signal) {
  const request = { model: find("model").value || "auto", messages: await messages() };
  const route = await (await ask("/v1/route", { body: request, signal })).json();
  hideAnswer();
  find("result").hidden = false;
  showRanking(route);
  showWhy(route, about, signal);
  say(`${route.vlm} is asked first. The ranking is there.`);
  if (answer) say(await streamAnswer(request, about, signal, say));
}

async function messages() {
  const text = question.value.trim() ? [{ type: "text", text: question.value }] : [];
  const pictures = (await readPictures()).map((url) => ({ type: "image_url", image_url: { url } }));
  return [{ role: "user", content: [...text, ...pictures] }];
}

function end() {
  running = null;
  const focused = document.activeElement === stop;
  stop.hidden = true;
  if (focused) find("send").focus();
}

function say(text) {
  find("status").textContent = text;
}

function complain(text) {
  find("problem").textContent = text;
}
