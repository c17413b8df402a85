// The same with one misspelt member: it must not compile.
import type { components, paths } from "./api";

type Claim = components["schemas"]["Claim"];
type ClaimResponse = components["schemas"]["ClaimResponse"];
type Submit = paths["/fhir/Claim/$submit"]["post"];

const claim: Claim = {
  resourceType: "Claim",
  status: "active",
  type: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/claim-type", code: "professional" }] },
  use: "claim",
  patient: { reference: "Patient/aaaaaaaaaaaaaaaaaaaaaaaaaa" },
  created: "2026-03-02",
  insurer: { reference: "Organization/d.aaaaaaaaaaaaaaaaaaaaaaaaaa" },
  provider: { reference: "Organization/d.bbbbbbbbbbbbbbbbbbbbbbbbbb" },
  priority: { coding: [{ code: "normal" }] },
  insurance: [{ sequence: 1, focal: true, coverage: { reference: "Coverage/a.c" } }],
  item: [
    {
      sequence: 1,
      productOrService: { coding: [{ system: "https://clinic.example/codes", code: "visit" }] },
      serviceDate: "2026-03-01",
      unitPrice: { value: 120, currency: "USD" },
    },
  ],
  contained: [{ resourceType: "Basic", id: "clock", code: { text: "the clock at the front desk" } }],
  _created: { extension: [{ url: "https://clinic.example/clock", valueString: "front desk" }] },
};

export async function submit(base: string, token: string): Promise<string> {
  const body: Submit["requestBody"]["content"]["application/fhir+json"] = claim;
  const answer = await fetch(`${base}/fhir/Claim/$submit`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/fhir+json" },
    body: JSON.stringify(body),
  });
  if (answer.status !== 200) {
    const refused: Submit["responses"][422]["content"]["application/fhir+json"] = await answer.json();
    return refused.issue[0]?.diagnostics ?? "no reason";
  }
  const decided: ClaimResponse = await answer.json();
  const benefit = decided.total?.find((one) => one.category.coding?.[0]?.code === "benefit");
  return `${decided.outcome}: ${benefit?.amount.value ?? 0} ${benefit?.amount.currency ?? ""}`;
}
