"use strict";

// Bodies to start from, by operation; others start from their schema.
const examples = {
  ReservationService_Reserve: {reservationId: "cart-1", sku: "SKU-1", channel: "web", quantity: "2"},
  ReservationService_ConfirmReservation: {},
  ReservationService_ExtendReservation: {holdSeconds: "900"},
  ReservationService_ReleaseReservation: {reason: "cart abandoned"},
  ReservationService_FulfilReservation: {document: "shipment-1"},
  AvailabilityService_BatchGetAvailability: {skus: ["SKU-1", "SKU-2"], channel: "web"},
  StockService_RecordMovements: {movements: [{movementId: "count-1", source: "console", sku: "SKU-1", location: "berlin",
    occurredAt: new Date().toISOString(), quantity: "10", counted: {condition: "CONDITION_SELLABLE"}}]},
  PolicyService_PutItem: {name: "Coffee, 500 g", unit: "each", decimals: 0, category: "grocery", safetyStock: []},
  PolicyService_PutLocation: {name: "Berlin", kind: "store", timeZone: "Europe/Berlin"},
  PolicyService_PutChannel: {name: "Web shop", sourcing: ["berlin"], holdSeconds: "900", buffer: "0"},
  OperationsService_ReplayDeadLetter: {actor: "console"},
  OperationsService_DiscardDeadLetter: {reason: "dealt with", actor: "console"},
};

// element makes an element with properties and children; text stays text.
function element(tag, properties, ...children) {
  const e = Object.assign(document.createElement(tag), properties || {});
  e.append(...children.filter((c) => c !== undefined && c !== ""));
  return e;
}

function sample(schema, definitions, depth) {
  if (schema.$ref) schema = definitions[schema.$ref.replace("#/definitions/", "")] || {};
  if (schema.enum) return schema.default || schema.enum[0];
  switch (schema.type) {
    case "array": return depth > 3 ? [] : [sample(schema.items, definitions, depth + 1)];
    case "boolean": return false;
    case "integer": case "number": return 0;
    case "string": return schema.format === "date-time" ? new Date().toISOString() : schema.format === "int64" ? "0" : "";
  }
  const made = {};
  for (const [name, property] of Object.entries(schema.properties || {})) made[name] = sample(property, definitions, depth + 1);
  return made;
}

// field makes the input of one parameter.
function field(parameter) {
  let input;
  if (parameter.enum) {
    input = element("select", {}, ...parameter.enum.map((v) => element("option", {value: v}, v)));
  } else if (parameter.type === "boolean") {
    input = element("select", {}, element("option", {value: ""}, "false"), element("option", {value: "true"}, "true"));
  } else {
    input = element("input", {placeholder: parameter.type === "array" ? "several, separated by commas" : ""});
  }
  const note = (parameter.description || "").split("\n\n - ")[0];
  const label = element("label", {}, element("b", {}, parameter.name, parameter.required ? element("i", {}, " *") : ""), input,
    note ? element("small", {}, note) : "");
  return {label, value: () => input.value, parameter};
}

// request builds what to send from a form.
function request(method, path, fields, body) {
  const query = new URLSearchParams();
  for (const f of fields) {
    const v = f.value();
    if (f.parameter.in === "path") path = path.replace(`{${f.parameter.name}}`, encodeURIComponent(v));
    else if (v === "" || f.parameter.enum && v === f.parameter.default) continue;
    else if (f.parameter.type === "array") v.split(",").forEach((x) => query.append(f.parameter.name, x.trim()));
    else query.append(f.parameter.name, v);
  }
  const url = path + (query.size ? "?" + query : "");
  return {url, options: {method: method.toUpperCase(), headers: body ? {"Content-Type": "application/json"} : {}, body: body ? body.value : undefined}};
}

const quote = (s) => "'" + s.replaceAll("'", "'\\''") + "'";

function curl({url, options}) {
  const parts = ["curl -sS", options.method === "GET" ? "" : "-X " + options.method, quote(location.origin + url)];
  if (options.body !== undefined) parts.push("-H 'Content-Type: application/json'", "-d", quote(options.body));
  return parts.filter(Boolean).join(" ");
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

// show sends a request and shows its answer as it comes.
async function show(r, streams, out, stop) {
  const line = element("p", {className: "answer"}, "…");
  const text = element("pre", {});
  out.replaceChildren(element("pre", {className: "curl"}, curl(r)), line, text);
  const began = performance.now();
  try {
    const answer = await fetch(r.url, {...r.options, signal: stop.signal});
    line.textContent = `${answer.status} ${answer.statusText} · ${(performance.now() - began).toFixed(1)} ms`;
    line.classList.toggle("bad", !answer.ok);
    if (!streams || !answer.ok) { text.textContent = pretty(await answer.text()); return; }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      text.textContent = (text.textContent + piece.value).slice(-100000);
      text.scrollTop = text.scrollHeight;
    }
  } catch (err) {
    if (err.name === "AbortError") { line.textContent += " · stopped"; return; }
    line.textContent = "No answer: " + err.message;
    line.classList.add("bad");
  }
}

// operation makes the card of one operation.
function operation(method, path, op, definitions) {
  const parameters = op.parameters || [];
  const fields = parameters.filter((p) => p.in !== "body").map(field);
  const bodyParameter = parameters.find((p) => p.in === "body");
  const body = bodyParameter && element("textarea", {spellcheck: false, value: JSON.stringify(
    examples[op.operationId] || sample(bodyParameter.schema, definitions, 0), null, 2)});
  const streams = (op.produces || []).includes("text/event-stream");
  const out = element("div");
  let stop = new AbortController();
  const form = element("form", {onsubmit: (event) => {
    event.preventDefault();
    stop.abort();
    stop = new AbortController();
    show(request(method, path, fields, body), streams, out, stop);
  }}, ...fields.map((f) => f.label), body ? element("label", {}, element("b", {}, "body"), body) : "",
  element("div", {className: "row"}, element("button", {type: "submit"}, "Send"),
    streams ? element("button", {type: "button", className: "quiet", onclick: () => stop.abort()}, "Stop") : ""), out);
  const name = op.operationId.split("_")[1];
  const words = [op.summary, op.description].filter(Boolean).join("\n");
  return element("details", {id: op.operationId},
    element("summary", {}, element("b", {className: "method " + method}, method.toUpperCase()), element("code", {}, path), element("span", {}, name)),
    element("div", {className: "inside"}, words ? element("p", {}, words) : "", form));
}

function group(spec) {
  const services = new Map(spec.tags.map((t) => [t.name, {about: t.description || "", list: []}]));
  for (const [path, methods] of Object.entries(spec.paths)) {
    for (const [method, op] of Object.entries(methods)) services.get(op.tags[0]).list.push({method, path, op});
  }
  return services;
}

function render(spec) {
  document.getElementById("about").append(element("h1", {}, spec.info.title + " API"), element("p", {}, spec.info.description));
  const index = document.getElementById("index");
  const all = document.getElementById("operations");
  all.replaceChildren();
  for (const [name, service] of group(spec)) {
    const section = element("section", {}, element("h2", {}, name), element("p", {}, service.about));
    const links = element("div", {}, element("h2", {}, name));
    for (const {method, path, op} of service.list) {
      const card = operation(method, path, op, spec.definitions);
      section.append(card);
      const link = element("a", {href: "#" + op.operationId, onclick: () => { card.open = true; }}, op.operationId.split("_")[1]);
      link.dataset.find = [method, path, op.operationId, op.summary].join(" ").toLowerCase();
      links.append(link);
    }
    index.append(links);
    all.append(section);
  }
  const chosen = location.hash && document.getElementById(location.hash.slice(1));
  if (chosen) { chosen.open = true; chosen.scrollIntoView(); }
}

function filter(text) {
  for (const link of document.querySelectorAll("#index a")) {
    const hidden = !link.dataset.find.includes(text.toLowerCase());
    link.hidden = hidden;
    link.style.display = hidden ? "none" : "";
    document.getElementById(link.hash.slice(1)).hidden = hidden;
  }
}

async function state() {
  const line = document.getElementById("state");
  try {
    const answer = await fetch("/readyz");
    const said = await answer.json();
    line.textContent = said.why ? `${said.status}: ${said.why}` : said.status;
    line.className = "state " + (answer.ok ? "ready" : "waiting");
  } catch {
    line.textContent = "does not answer";
    line.className = "state waiting";
  }
}

document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
fetch("/openapi.json").then((answer) => answer.json()).then(render);
state();
setInterval(state, 5000);
