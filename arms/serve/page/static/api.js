// Asking the gateway, with the key where it wants one, and its errors in words.

import { forgetKey, requestKey, storedKey } from "./key.js";

const WORDS = {
  400: "This cannot be asked",
  408: "It took too long to send",
  413: "This is too large",
  415: "This cannot be asked",
  429: "The VLMs have too much to do now",
  502: "No VLM answered",
  503: "The gateway cannot do it now",
  504: "No VLM answered in time",
};

export class Problem extends Error {}

export async function readAbout() {
  return (await reach("/page/about.json", {})).json();
}

// The response to a request that went well; else a Problem whose message is for people.
export async function ask(path, { body, signal } = {}) {
  const request = { signal };
  if (body !== undefined) Object.assign(request, { method: "POST", body: JSON.stringify(body) });
  for (let refused = false; ; refused = true) {
    const response = await reach(path, { ...request, headers: headers(body) });
    if (response.ok) return response;
    if (response.status !== 401) throw new Problem(await say(response));
    forgetKey();
    if ((await requestKey(refused)) === null) throw new Problem("No key: this gateway answers only to those who have one.");
  }
}

function headers(body) {
  const key = storedKey();
  return {
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...(key === null ? {} : { authorization: `Bearer ${key}` }),
  };
}

async function reach(path, request) {
  try {
    return await fetch(path, { ...request, credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The gateway cannot be reached. Is it running?");
  }
}

async function say(response) {
  const said = await response.json().then((content) => content.error.message, () => "");
  const words = WORDS[response.status] ?? `The gateway answered with status ${response.status}`;
  return said ? `${words}: ${said}` : `${words}.`;
}
