// Runs the providers' own libraries for a test. Each line of standard input is a request as JSON: {key, do: "verify" | "sign", secret, settings,
// at, method, url, headers, body}, with at in milliseconds and body in base64. Each line of standard output is its answer, in the same
// order: {ok, error} for verify, {headers, error} for sign. With --keys it prints what each library can do.
import { createInterface } from 'node:readline';

import { sdks } from './sdks.mjs';

if (process.argv.includes('--keys')) {
  for (const [key, sdk] of Object.entries(sdks)) {
    console.log(JSON.stringify({ key, verify: 'verify' in sdk, sign: 'sign' in sdk, tokenOnly: sdk.tokenOnly === true }));
  }
  process.exit(0);
}

// The libraries compare timestamps with the clock of this process.
const RealDate = Date;
let now = RealDate.now();
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [now] : args));
  }
  static now() {
    return now;
  }
};

async function answer(line) {
  const request = JSON.parse(line);
  const body = Buffer.from(request.body ?? '', 'base64');
  const headers = Object.fromEntries(Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const c = { settings: {}, method: 'POST', ...request, headers, body, text: body.toString() };
  now = c.at ?? RealDate.now();
  try {
    if (request.do === 'sign') return { headers: await sdks[c.key].sign(c) };
    return { ok: (await sdks[c.key].verify(c)) === true };
  } catch (err) {
    return { ok: false, error: String(err?.message ?? err) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim()) console.log(JSON.stringify(await answer(line)));
}
