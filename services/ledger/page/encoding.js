// Refusals, bytes and text. Decoding is strict (RFC 4648): two different texts never stand for the same bytes.

// A sentence about something that does not match. Any other error is a fault of this page, and nothing is
// called good then.
class Refusal extends Error {}

function refuse(sentence) {
  throw new Refusal(sentence);
}

function demand(holds, sentence) {
  if (!holds) refuse(sentence);
}

function bytesOf(text) {
  return new TextEncoder().encode(text);
}

function textOf(bytes, what) {
  try {
    // Keep a byte order mark, so that it counts like every other byte.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse(`${what} is not UTF-8 text`);
  }
}

function join(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

function same(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function b64(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(binary);
}

function unb64(text, what) {
  let binary = null;
  try {
    binary = atob(text);
  } catch {
    refuse(`${what} is not standard base64`);
  }
  // atob ignores white space, missing padding and stray bits. Only one spelling survives the way back.
  demand(btoa(binary) === text, `${what} is not standard base64`);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

function b64u(bytes) {
  return b64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function unb64u(text, what, length = null) {
  const sentence = `${what} is not base64url without padding`;
  demand(typeof text === "string" && /^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1, sentence);
  const padding = "=".repeat((4 - (text.length % 4)) % 4);
  let bytes = null;
  try {
    bytes = unb64(text.replaceAll("-", "+").replaceAll("_", "/") + padding, what);
  } catch {
    refuse(sentence);
  }
  demand(length === null || bytes.length === length, `${what} is not ${length} bytes`);
  return bytes;
}

async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
