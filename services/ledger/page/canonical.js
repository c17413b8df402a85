// Canonical JSON (RFC 8785) and instants.

// The only text of a value. Numbers are whole and below 2^53, and strings hold no half of a character.
function canonical(value, depth = 0) {
  if (typeof value === "string") {
    demand(value.isWellFormed(), "a text holds a lone surrogate");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    demand(Number.isSafeInteger(value), "a number is not whole or too large");
    return String(value);
  }
  if (value === null || typeof value === "boolean") return String(value);
  demand(depth < MAX_DEPTH, `it nests deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(",")}]`;
  const names = Object.keys(value).sort(); // by UTF-16 code units, as the RFC asks
  return `{${names.map((name) => `${canonical(name)}:${canonical(value[name], depth + 1)}`).join(",")}}`;
}

// The object whose canonical text is exactly `text`. It refuses another order, white space or a doubled key.
function parseCanonical(text, what) {
  let value = null;
  let again = null;
  try {
    value = JSON.parse(text);
    again = isObject(value) ? canonical(value) : null;
  } catch (error) {
    refuse(`${what} is not canonical JSON (RFC 8785)${error instanceof Refusal ? `: ${error.message}` : ""}`);
  }
  demand(again === text, `${what} is not canonical JSON (RFC 8785)`);
  return value;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasExactly(value, names) {
  return Object.keys(value).sort().join() === [...names].sort().join();
}

function isWhole(value, low, high = MAX_WHOLE) {
  return Number.isSafeInteger(value) && low <= value && value <= high;
}

function isText(value) {
  return typeof value === "string";
}

// An instant always has the same 24 characters, so that text order is time order.
function checkInstant(text, what) {
  const form = isText(text) && /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/.test(text);
  demand(form, `${what} is not an instant like 2026-11-22T10:00:00.000Z`);
  const date = new Date(text);
  // Date turns a day that does not exist into another one, and so into another text.
  const exists = !Number.isNaN(date.getTime()) && date.toISOString() === text && !text.startsWith("0000");
  demand(exists, `${what} is not a time that exists`);
}

function later(text, seconds) {
  return new Date(new Date(text).getTime() + seconds * 1000).toISOString();
}
