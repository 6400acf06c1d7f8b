// SPDX-License-Identifier: Apache-2.0
// Shows what /state answers and follows /events. No framework: tables come from the API's own printer columns.
"use strict";

const $ = (id) => document.getElementById(id);
const TOKEN = "fairlead-token";
let token = sessionStorage.getItem(TOKEN) || "";
let state = null;
let fresh = new Set(); // "plural/namespace/name" of what just changed
const opened = new Set(); // whose message is shown whole
const asked = new Map(); // who was asked to sync, until when the button says so
const LONG = 400; // characters of a message that is cut
const HELD = ["DeletionBlocked", "ForcePushBlocked", "PushFailed"]; // reasons whose message ends with a command
let stream = null; // AbortController of the stream
let lastId = "";
let reloadTimer = 0;
let loadFailed = false; // what the error says is of the last load, and goes with the next good one
let retryMs = 1000;

function el(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (v !== undefined && v !== null) e.setAttribute(k, v);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

function ask(path, options = {}) {
  const headers = { ...(options.headers || {}) };
  if (token) headers.Authorization = "Bearer " + token;
  return fetch(path, { ...options, headers, cache: "no-store" });
}

function showError(text, ofLoad = false) {
  loadFailed = ofLoad;
  $("error").textContent = text;
  $("error").hidden = !text;
}

function showApp(on) {
  for (const id of ["search", "live"]) $(id).hidden = !on;
}

function showLogin(why) {
  stopStream();
  state = null;
  showApp(false);
  showError("");
  $("kinds").replaceChildren();
  $("sum").textContent = "";
  $("login-error").textContent = why || "";
  $("login").hidden = false;
  $("forget").hidden = true;
  $("token").focus();
}

function columnIndex(table, name) {
  return table.columnDefinitions.findIndex((c) => c.name.toLowerCase() === name);
}

function readyOf(table, row) {
  const i = columnIndex(table, "ready");
  return i < 0 ? "" : String(row.cells[i] ?? "") || "Unknown";
}

function matches(kind, row, filter) {
  if (!filter) return true;
  const m = row.object.metadata;
  const text = [kind, m.namespace, m.name, ...row.cells].join(" ").toLowerCase();
  return filter.split(/\s+/).every((word) => text.includes(word));
}

/* Where the command begins that lets a blocked mirror go on, or -1. Messages hold what remotes say as well: only our own
   words about this very object are shown as something to run. */
function commandAt(text, m, reason) {
  if (!HELD.includes(reason)) return -1;
  const found = text.match(/kubectl annotate gitmirror -n (\S+) (\S+) fairlead\.dev\/approve=[0-9a-f]{16} --overwrite$/);
  return found && found[1] === m.namespace && found[2] === m.name ? found.index : -1;
}

/* What to do next stands at the end of a message as a command: shown so that it can be copied as a whole. */
function messageOf(text, key, m, reason) {
  const at = commandAt(text, m, reason);
  const words = el("span", { class: "words" }, at > 0 ? text.slice(0, at) : text);
  const parts = [words];
  if (words.textContent.length > LONG) {
    const more = el("button", { type: "button", class: "more", "data-does": "more" });
    const show = () => {
      words.className = opened.has(key) ? "words" : "words cut";
      more.textContent = opened.has(key) ? "Show less" : "Show all";
      more.setAttribute("aria-expanded", String(opened.has(key)));
    };
    more.addEventListener("click", () => {
      if (!opened.delete(key)) opened.add(key);
      show();
    });
    show();
    parts.push(more);
  }
  if (at > 0) parts.push(el("code", { class: "command" }, text.slice(at)));
  return el("div", {}, ...parts);
}

function cellOf(column, value, key, m, reason) {
  const name = column.name.toLowerCase();
  const text = value === null || value === undefined || value === "" ? "–" : String(value);
  const td = el("td", { "data-label": column.name });
  if (name === "ready") {
    const status = ["True", "False"].includes(text) ? text : "Unknown";
    td.append(el("span", { class: "badge " + status }, status === "True" ? "Ready" : status === "False" ? "Not ready" : "Waiting"));
  } else {
    td.className = name === "message" ? "message" : text.length > 24 ? "long" : "short";
    if (name === "age" && m.creationTimestamp) td.title = new Date(m.creationTimestamp).toLocaleString();
    td.append(name === "message" ? messageOf(text, key, m, reason) : text);
  }
  return td;
}

function rowOf(kind, table, columns, row) {
  const m = row.object.metadata;
  const key = [kind.plural, m.namespace, m.name].join("/");
  const ready = readyOf(table, row);
  const reason = kind.plural === "gitmirrors" ? String(row.cells[columnIndex(table, "status")] ?? "") : "";
  const tr = el("tr", { class: [ready && "is-" + ready, fresh.has(key) && "fresh"].filter(Boolean).join(" ") || null, "data-key": key });
  for (const { column, at } of columns) {
    if (column.name.toLowerCase() === "name") {
      tr.append(el("td", { class: "name", "data-label": "Name" }, m.name, el("small", {}, m.namespace || "")));
    } else {
      tr.append(cellOf(column, row.cells[at], key, m, reason));
    }
  }
  const act = el("td", { class: "act" });
  if (!state.readOnly) {
    const waits = (asked.get(key) || 0) > Date.now();
    const b = el("button", { type: "button", "aria-label": "Sync " + m.name, "data-does": "sync", "aria-disabled": waits ? "true" : null },
      waits ? "Asked" : "Sync");
    b.addEventListener("click", () => sync(kind, m, key));
    act.append(b);
  }
  tr.append(act);
  return tr;
}

/* Columns as kubectl shows them, and the message, which tells a person what to do next. */
function columnsOf(table) {
  return table.columnDefinitions
    .map((column, at) => ({ column, at }))
    .filter(({ column }) => column.priority === 0 || column.name.toLowerCase() === "message");
}

function sectionOf(kind, filter) {
  const head = el("h2", {}, kind.kind);
  const card = el("div", { class: "card" });
  const section = el("section", { "data-kind": kind.plural }, head, card);
  if (!kind.table) {
    card.append(el("p", { class: "empty" },
      kind.status === 403 ? "This token may not list them." : "The API answered " + kind.status + "."));
    return section;
  }
  const rows = (kind.table.rows || []).filter((r) => matches(kind.kind, r, filter));
  const all = (kind.table.rows || []).length;
  const more = kind.table.metadata && kind.table.metadata.continue ? ", more are not shown" : "";
  head.append(el("span", {}, (rows.length === all ? all : rows.length + " of " + all) + more));
  if (rows.length === 0) {
    card.append(el("p", { class: "empty" }, all ? "None matches the filter." : "None yet."));
    return section;
  }
  const columns = columnsOf(kind.table);
  const body = el("tbody");
  rows.sort((a, b) => rank(kind.table, a) - rank(kind.table, b));
  for (const r of rows) body.append(rowOf(kind, kind.table, columns, r));
  const names = columns.map(({ column }) => el("th", { scope: "col", class: column.name.toLowerCase() === "message" ? "message" : null }, column.name));
  card.append(el("table", {}, el("thead", {}, el("tr", {}, ...names, el("th", {}, el("span", { class: "sr" }, "Actions")))), body));
  return section;
}

function rank(table, row) {
  return { False: 0, Unknown: 1 }[readyOf(table, row)] ?? 2;
}

function summary() {
  const count = { True: 0, False: 0, Unknown: 0 };
  for (const kind of state.kinds) {
    for (const row of (kind.table && kind.table.rows) || []) {
      const ready = readyOf(kind.table, row);
      if (ready) count[ready in count ? ready : "Unknown"]++;
    }
  }
  const parts = count.True || !(count.False + count.Unknown) ? [count.True + " ready"] : [];
  if (count.False) parts.push(count.False + " not ready");
  if (count.Unknown) parts.push(count.Unknown + " waiting");
  document.title = (count.False ? "(" + count.False + ") " : "") + "Fairlead";
  return parts.join(", ");
}

/* Kinds of which there is nothing: one line for all of them. */
function emptyOf(kinds, all) {
  const card = el("div", { class: "card" });
  if (all) {
    card.append(el("p", { class: "empty" }, "Nothing is declared yet. What you apply with ", el("code", {}, "kubectl apply -f FILE"),
      " shows up here by itself: " + kinds.map((k) => k.kind).join(", ") + "."));
  } else {
    card.append(el("p", { class: "empty" }, "None yet: " + kinds.map((k) => k.kind).join(", ") + "."));
  }
  return el("section", { "data-kind": "none" }, card);
}

/* Where the reader is: what has the focus, and how far tables are scrolled sideways. */
function placeOf() {
  const f = document.activeElement;
  const row = f && f.closest("tr[data-key]");
  const scrolled = [...document.querySelectorAll("section")].map((s) => [s.dataset.kind, s.querySelector(".card").scrollLeft]);
  return { key: row && row.dataset.key, does: f && f.dataset.does, scrolled };
}

function goBack(place) {
  for (const [kind, left] of place.scrolled) {
    const card = document.querySelector('section[data-kind="' + kind + '"] .card');
    if (card && left) card.scrollLeft = left;
  }
  if (!place.key || !place.does) return;
  const row = [...document.querySelectorAll("tr[data-key]")].find((r) => r.dataset.key === place.key);
  const button = row && row.querySelector('[data-does="' + place.does + '"]');
  if (button) button.focus({ preventScroll: true });
}

function render() {
  if (!state) return;
  const filter = $("filter").value.trim().toLowerCase();
  const place = placeOf();
  const has = (k) => !k.table || (k.table.rows || []).length > 0;
  const empty = state.kinds.filter((k) => !has(k));
  const sections = state.kinds.filter(has).map((k) => sectionOf(k, filter));
  if (empty.length) sections.push(emptyOf(empty, empty.length === state.kinds.length));
  $("kinds").replaceChildren(...sections);
  $("sum").textContent = empty.length === state.kinds.length ? "" : summary();
  fresh = new Set();
  goBack(place);
}

async function load() {
  let answer;
  try {
    answer = await ask("state");
  } catch (e) {
    showError("The server does not answer. It is tried again.", true);
    return false;
  }
  if (answer.status === 401) {
    const had = token !== "";
    token = "";
    sessionStorage.removeItem(TOKEN);
    showLogin(had ? "The Kubernetes API does not know this token." : "");
    return false;
  }
  if (!answer.ok) {
    showError((await answer.text()).trim() || "The server answered " + answer.status + ".", true);
    return false;
  }
  const got = await answer.json();
  const down = got.kinds.length > 0 && got.kinds.every((k) => k.status >= 500);
  if (down) showError("The Kubernetes API does not answer. " + (state ? "What is shown is as it was; it" : "It") + " is tried again.", true);
  else if (loadFailed) showError("");
  $("login").hidden = true;
  if (down) {
    if (!state) $("sum").textContent = "";
    reloadSoon(5000);
    return true;
  }
  state = got;
  if (token) sessionStorage.setItem(TOKEN, token); // one that is good
  showApp(true);
  $("forget").hidden = !token;
  render();
  return true;
}

/* Not put off by what follows: events may come without a pause. */
function reloadSoon(ms = 200) {
  if (reloadTimer) return;
  reloadTimer = setTimeout(() => {
    reloadTimer = 0;
    load();
  }, ms);
}

/* The button stays where it is, so that the focus does. */
async function sync(kind, m, key) {
  if ((asked.get(key) || 0) > Date.now()) return;
  asked.set(key, Date.now() + 3000);
  if (!loadFailed) showError("");
  render();
  const path = ["sync", kind.plural, m.namespace, m.name].map(encodeURIComponent).join("/");
  let wrong = "";
  try {
    const answer = await ask(path, { method: "POST" });
    if (!answer.ok) wrong = m.name + ": " + (await answer.text()).trim();
  } catch (e) {
    wrong = "The server does not answer.";
  }
  if (wrong) {
    asked.delete(key);
    showError(wrong);
    render();
    return;
  }
  $("said").textContent = m.name + " is asked to sync";
  setTimeout(render, 3100);
}

/* ---- live events: EventSource cannot send a token, so the stream is read by fetch ---- */

function setLive(on) {
  $("live").className = on ? "dot" : "dot off";
  $("live-text").textContent = on ? "live" : "not connected";
}

function stopStream() {
  if (stream) stream.abort();
  stream = null;
  setLive(false);
}

function onEvent(e) {
  if (e.id) lastId = e.id;
  if (e.event === "connected") {
    setLive(true);
    retryMs = 1000;
  }
  let data = {};
  try {
    data = JSON.parse(e.data || "{}");
  } catch (err) {
    return;
  }
  if (data.kind && state) {
    const kind = state.kinds.find((k) => k.kind === data.kind);
    if (kind) fresh.add([kind.plural, data.namespace, data.name].join("/"));
  }
  reloadSoon();
}

function eventOf(block) {
  const e = { event: "message", data: "", id: "" };
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at <= 0) continue;
    const value = line.slice(at + 1).replace(/^ /, "");
    if (line.slice(0, at) === "data") e.data += value;
    else if (line.slice(0, at) === "event") e.event = value;
    else if (line.slice(0, at) === "id") e.id = value;
  }
  return e;
}

async function readStream(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let at = text.indexOf("\n\n"); at >= 0; at = text.indexOf("\n\n")) {
      const block = text.slice(0, at);
      text = text.slice(at + 2);
      if (!block.startsWith(":")) onEvent(eventOf(block));
    }
  }
}

async function follow() {
  const mine = new AbortController();
  stream = mine;
  try {
    const answer = await ask("events", {
      signal: mine.signal,
      headers: { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) },
    });
    if (answer.ok) await readStream(answer.body);
  } catch (e) {
    // told by the dot; tried again below
  }
  if (stream !== mine) return;
  setLive(false);
  setTimeout(() => {
    if (stream === mine) follow();
  }, retryMs);
  retryMs = Math.min(retryMs * 2, 30000);
}

async function start() {
  if (await load()) follow();
  else if ($("login").hidden) setTimeout(start, 3000);
}

$("login").addEventListener("submit", (e) => {
  e.preventDefault();
  const given = $("token").value.trim();
  $("token").value = "";
  if (!/^[\x21-\x7e]+$/.test(given)) {
    $("login-error").textContent = "This is no token: it has spaces, line breaks or characters that no token has. Copy it again.";
    $("token").focus();
    return;
  }
  token = given;
  start();
});
$("forget").addEventListener("click", () => {
  token = "";
  sessionStorage.removeItem(TOKEN);
  showLogin("");
});
$("filter").addEventListener("input", render);
setInterval(() => state && !document.hidden && load(), 60000); // ages
start();
