// A consent's own device (FORMATS.md, 8 and 9).

// Refuses a consent that no device of its person signed, or one that was bound later than the consent.
async function checkConsent(consent, device, provider) {
  const posted = parseCanonical(textOf(device.body, "the device"), "the device");
  const form = hasExactly(posted, ["v", "offer", "binding", "status"]);
  demand(form, "a device has exactly v, offer, binding and status");
  const binding = await verifyBinding(posted, provider, device.event.time);
  const active = device.event.type === "device.bound" && posted.status === "active";
  demand(active, "the device's opening does not show an active binding");
  const person = subjectOf(consent);
  const own = person !== null && binding.patient === person && subjectOf(device) === person;
  demand(own, "the device is bound to another person than the consent is about");
  demand(device.event.time <= consent.event.time, "the device was bound only after the consent was given");
  const { content, sig } = readConsent(consent.body);
  demand(sig !== null, "the consent carries no signature of a device");
  await verifyGrant(sig, binding.device, content, consent);
  return binding;
}

function readConsent(body) {
  const what = "the body of the consent";
  const value = parseCanonical(textOf(body, what), what);
  demand(hasExactly(value, ["content", "sig"]), `${what} is not exactly content and sig`);
  demand(value.sig === null || isText(value.sig), `sig in ${what} is text or null`);
  return { content: unb64u(value.content, `content in ${what}`), sig: value.sig };
}

// The chain that binds a device: the provider's offer, the binding by the one-time key, and in that the
// device's own proof of possession.
async function verifyBinding(posted, provider, time) {
  const texts = isText(posted.offer) && isText(posted.binding);
  demand(texts, "a device is bound with exactly offer and binding, both JWS");
  const signedOffer = takeApart(posted.offer);
  const offer = signedOffer.payload;
  const form = hasExactly(offer, ["v", "patient", "one_time", "exp", "provider"]);
  demand(form, "not an offer with exactly v, patient, one_time, exp and provider");
  checkInstant(offer.exp, "the offer's exp");
  await verifyJws(signedOffer, provider, OFFER_TYP, "the offer does not hold");
  demand(time <= offer.exp, "the offer had expired when the device was bound");
  demand(offer.exp <= later(time, MAX_OFFER_SECONDS), "the offer is good for more than 24 hours");
  const outer = takeApart(posted.binding);
  const held = await verifyJws(outer, offer.one_time, BINDING_TYP, "the binding does not hold");
  const one = hasExactly(held, ["v", "possession"]) && isText(held.possession);
  demand(one, "a binding holds exactly v and possession");
  const possession = takeApart(held.possession);
  const device = possession.payload.jwk;
  await verifyJws(possession, device, POSSESSION_TYP, "the possession does not hold");
  const answered = possession.payload.offer === b64u(await sha256(bytesOf(posted.offer)));
  demand(answered, "the device answered another offer");
  return { patient: offer.patient, device, provider: offer.provider };
}

// The patient's own signature, over exactly this content, document, version and predecessor.
async function verifyGrant(sig, device, content, consent) {
  const who = "the consent's signature does not hold";
  const grant = await verifyJws(takeApart(sig), device, GRANT_TYP, who);
  const expected = {
    v: 1, content: b64u(await sha256(content)), doc: consent.doc, version: consent.version, prev: consent.prev,
  };
  const members = hasExactly(grant, [...Object.keys(expected), "request"]);
  demand(members, "the signed grant does not have exactly the members of version 1");
  demand(isText(grant.request), "the signed grant differs in request: it is not text");
  for (const [name, value] of Object.entries(expected)) {
    demand(grant[name] === value, `the signed grant differs in ${name}`);
  }
}
