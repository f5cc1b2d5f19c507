// A client of Generation Service for Node 18 or newer, without dependencies: copy this one file.
//
//   import { GenerationServiceClient, verifyWebhook } from "./client.mjs";
//   const client = new GenerationServiceClient("http://127.0.0.1:5000", "your-shared-key");
//   const { status, document } = await client.generate(
//     [{ lot_id: "lot-1", images: [{ url: "https://example.com/1.jpg" }] }], ["en", "ru"]);
//
// From a shell: node client.mjs BASE_URL SHARED_KEY LOT_ID PHOTO_URL…

import { createHmac, timingSafeEqual } from "node:crypto";
import { pathToFileURL } from "node:url";

const ORDER_TIMEOUT_MS = 300_000;
const POLL_TIMEOUT_MS = 30_000;
const WEBHOOK_TOLERANCE_SECONDS = 300;
const FINAL_STATUSES = new Set(["completed", "failed", "cancelled"]);

// Canonical JSON as the service signs it: Python's json.dumps(separators=(",", ":"), sort_keys=True).
export function canonicalJson(value) {
  if (typeof value === "string") return asciiString(value);
  if (typeof value === "number") return pythonNumber(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value === "boolean") return String(value);
  const members = Object.keys(value).filter((key) => value[key] !== undefined).sort(byCodePoint);
  return `{${members.map((key) => `${asciiString(key)}:${canonicalJson(value[key])}`).join(",")}}`;
}

function asciiString(text) {
  const escape = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, escape);
}

// fetch sends 1e-5 as 0.00001; Python, reading that, writes 1e-05.
function pythonNumber(number) {
  if (!Number.isFinite(number)) throw new TypeError("JSON has no NaN and no Infinity");
  if (number === 0 || Math.abs(number) >= 1e-4) return JSON.stringify(number);
  return number.toExponential().replace(/-(\d)$/, "-0$1");
}

// UTF-8 bytes sort as code points do; JavaScript's own order is by UTF-16 unit.
function byCodePoint(left, right) {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

const hexHmac = (key, message) => createHmac("sha256", key).update(message).digest("hex");

export class GenerationServiceClient {
  constructor(baseUrl, sharedKey) {
    this.baseUrl = baseUrl.replace(/\/+$/, "");
    this.sharedKey = sharedKey;
  }

  signature(lots) {
    return hexHmac(this.sharedKey, canonicalJson(lots));
  }

  // One lot is answered at once with 200, 2 to 50,000 lots with 201 and a job_id.
  // Like every request here it resolves to { status, document }.
  async generate(lots, languages = ["en"]) {
    const body = { signature: this.signature(lots), version: "1.0.0", languages, lots };
    return this.#parsed("/api/v1/generate-descriptions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ORDER_TIMEOUT_MS),
    });
  }

  jobStatus(jobId) {
    return this.#signed("GET", `/api/v1/batch-status/${jobId}`, jobId);
  }

  results(jobId) {
    return this.#signed("GET", `/api/v1/batch-results/${jobId}`, jobId);
  }

  cancel(jobId) {
    return this.#signed("POST", `/api/v1/batch-jobs/${jobId}/cancel`, jobId);
  }

  deliveries(jobId) {
    return this.#signed("GET", `/api/v1/batch-jobs/${jobId}/deliveries`, jobId);
  }

  listJobs(query = { limit: 10 }) {
    const path = `/api/v1/batch-jobs?${new URLSearchParams(query)}`;
    return this.#signed("GET", path, path);
  }

  // Polls until the job ends; resolves to its results, rejects when there are none.
  async waitForResults(jobId, { pollSeconds = 30, onProgress = () => {} } = {}) {
    for (;;) {
      const { status, document } = await this.jobStatus(jobId);
      if (status !== 200) throw new Error(`${document.error}: ${document.message}`);
      onProgress(document);
      if (FINAL_STATUSES.has(document.status)) return this.#resultsOf(document);
      await new Promise((resolve) => setTimeout(resolve, pollSeconds * 1000));
    }
  }

  async #resultsOf(ended) {
    if (ended.status !== "completed") {
      throw new Error(`Job ${ended.status}: ${ended.error_message ?? "no reason given"}`);
    }
    const { status, document } = await this.results(ended.job_id);
    if (status !== 200) throw new Error(`${document.error}: ${document.message}`);
    return document;
  }

  // `covered` is what the X-Signature header signs: the job's id, or without one the path and query.
  #signed(method, path, covered) {
    const headers = { "X-Signature": `sha256=${hexHmac(this.sharedKey, covered)}` };
    return this.#parsed(path, { method, headers, signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
  }

  async #parsed(path, options) {
    const response = await fetch(`${this.baseUrl}${path}`, options);
    return { status: response.status, document: await response.json() };
  }
}

// `body` is the Buffer that arrived, before any parsing; `headers` as Node gives them, lower case.
// There are two signatures; each that is there must be right, and at least one must be. The second
// is made with your operator's `secret` for webhooks (`whsec_…`), or without one with the key.
export function verifyWebhook(body, headers, key, nowSeconds = Date.now() / 1000, secret = "") {
  const checks = [];
  if ("x-signature" in headers) {
    checks.push(same(headers["x-signature"], `sha256=${hexHmac(key, body)}`));
  }
  if ("webhook-signature" in headers) {
    const bytes = secret ? Buffer.from(secret.replace(/^whsec_/, ""), "base64") : key;
    checks.push(isStandardWebhook(body, headers, bytes, nowSeconds));
  }
  return checks.length > 0 && checks.every(Boolean);
}

function isStandardWebhook(body, headers, secret, nowSeconds) {
  const timestamp = headers["webhook-timestamp"] ?? "";
  const age = Math.abs(nowSeconds - Number(timestamp));
  if (!/^[0-9]{1,12}$/.test(timestamp) || age > WEBHOOK_TOLERANCE_SECONDS) return false;
  const signed = createHmac("sha256", secret).update(`${headers["webhook-id"]}.${timestamp}.`);
  const expected = `v1,${signed.update(body).digest("base64")}`;
  return headers["webhook-signature"].split(" ").some((presented) => same(presented, expected));
}

function same(presented, expected) {
  const [left, right] = [Buffer.from(presented), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [baseUrl, key, lotId, ...photos] = process.argv.slice(2);
  const lot = { lot_id: lotId, images: photos.map((url) => ({ url })) };
  const { document } = await new GenerationServiceClient(baseUrl, key).generate([lot], ["en", "ru"]);
  console.log(JSON.stringify(document, null, 2));
}
