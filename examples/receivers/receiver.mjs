// Receives webhooks of Generation Service, with Node 18 or newer and nothing else.
//
//   SHARED_KEY=… node receiver.mjs [PORT [FOLDER]]
//
// A delivery is verified, kept in FOLDER under its webhook-id and answered, within milliseconds; the
// work is done afterwards, from what lies there. So a slow job of yours never makes an attempt
// fail, a crash loses nothing, and a delivery that comes twice is worked once.

import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { link, open, unlink } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

const key = process.env.SHARED_KEY;
if (!key) throw new Error("set SHARED_KEY to the key you share with the service");
// whsec_ and base64; unless the operator has given you one, it is made of the key.
const secret = process.env.WEBHOOK_SECRET || `whsec_${Buffer.from(key).toString("base64")}`;
const standardKey = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
const [port = "8002", folder = "inbox"] = process.argv.slice(2);
const MAX_BYTES = 8_000_000;
const TOLERANCE_SECONDS = 300;
const ID = /^[A-Za-z0-9_-]{1,64}$/; // it becomes the name of a file

// Both signatures must be right, over the bytes as they came, and the time recent.
function isGenuine(body, headers) {
  const digest = createHmac("sha256", key).update(body).digest("hex");
  if (!same(headers["x-signature"] ?? "", `sha256=${digest}`)) return false;
  const sent = headers["webhook-timestamp"] ?? "";
  const age = Math.abs(Date.now() / 1000 - Number(sent));
  if (!/^[0-9]{1,12}$/.test(sent) || age > TOLERANCE_SECONDS) return false;
  const signed = createHmac("sha256", standardKey).update(`${headers["webhook-id"]}.${sent}.`);
  const signature = `v1,${signed.update(body).digest("base64")}`;
  const presented = (headers["webhook-signature"] ?? "").split(" ");
  return presented.some((one) => same(one, signature));
}

function same(one, other) {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}

// Stores a delivery whole or not at all; false if it came before.
async function keep(id, body) {
  const partial = join(folder, `${randomUUID()}.part`);
  const file = await open(partial, "wx");
  try {
    await file.writeFile(body);
    await file.sync();
    await link(partial, join(folder, `${id}.json`)); // fails where there is one already
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    await file.close();
    await unlink(partial);
  }
}

async function received(request) {
  const pieces = [];
  let size = 0;
  for await (const piece of request) {
    size += piece.length;
    if (size > MAX_BYTES) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

// 200 for what is kept; everything else makes the service try again.
async function answer(request) {
  const body = request.method === "POST" ? await received(request) : null;
  if (body === null) return [413, "not a webhook"];
  const id = request.headers["webhook-id"] ?? "";
  if (!isGenuine(body, request.headers) || !ID.test(id)) return [403, "not genuine"];
  const isNew = await keep(id, body);
  setImmediate(work);
  return [200, isNew ? "kept" : "kept before"];
}

// Do your part of the work, at its own pace; a .done file marks what needs no more.
function work() {
  for (const name of readdirSync(folder).filter((each) => each.endsWith(".json")).sort()) {
    const done = join(folder, name.replace(/json$/, "done"));
    if (existsSync(done)) continue;
    handle(JSON.parse(readFileSync(join(folder, name))));
    writeFileSync(done, "");
  }
}

// Put your own work here. After a crash it is called again for the same delivery.
function handle(delivery) {
  for (const lot of delivery.lots) console.log(delivery.job_id, lot.lot_id, lot.status);
}

mkdirSync(folder, { recursive: true });
work();
const server = createServer((request, response) => {
  answer(request).then(
    ([status, text]) => response.writeHead(status).end(text),
    (error) => {
      console.error(error);
      response.writeHead(500).end();
    },
  );
});
server.requestTimeout = 15_000;
server.listen(Number(port), "127.0.0.1", () => {
  console.log(`Receiving on http://127.0.0.1:${port}/`);
});
