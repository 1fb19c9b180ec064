// The four claims of the demo. Each is a list of checks, every check with what was really seen.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { SERVICES } from './layout.mjs';
import { heldSerials, inboundCounters, plainSerial, request, shownCertificate, signet, status } from './observe.mjs';
import { until } from './processes.mjs';

const { web, orders, payments, inventory } = SERVICES;

const check = (ok, text) => ({ ok: Boolean(ok), text });
const short = (serial) => `${serial?.slice(0, 12)}…`;

const json = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const allowedWithMtls = async () => {
  const before = { orders: await inboundCounters(orders), payments: await inboundCounters(payments) };
  const { status: code, text } = await request('GET', web.app, '/buy');
  const after = { orders: await inboundCounters(orders), payments: await inboundCounters(payments) };
  const seen = json(text)?.orders?.body;
  const shown = await shownCertificate(orders);
  const held = await heldSerials(orders);
  const issued = (await status()).get(orders.key)?.certificate?.serial ?? '';
  const more = (name, key) => after[name][key] > before[name][key];
  const change = (name, key) => `${before[name][key]} → ${after[name][key]}`;
  return [
    check(code === 200, `GET /buy at web: ${code}${code === 200 ? '' : ` ${text.trim()}`}`),
    check(seen?.caller === web.identity, `orders was called by   ${seen?.caller}   (x-forwarded-client-cert)`),
    check(seen?.payments?.body?.caller === orders.identity, `payments was called by ${seen?.payments?.body?.caller}`),
    check(more('orders', 'handshakes'), `orders' Envoy: ssl.handshake ${change('orders', 'handshakes')}`),
    check(more('payments', 'handshakes'), `payments' Envoy: ssl.handshake ${change('payments', 'handshakes')}`),
    check(
      shown.uri === orders.identity && shown.protocol === 'TLSv1.3',
      `orders' peer certificate on the wire: ${shown.uri}, serial ${short(shown.serial)}, ${shown.protocol}`,
    ),
    check(
      held.includes(shown.serial) && plainSerial(issued) === shown.serial,
      `the same serial in Envoy's /certs (${held.map(short).join(', ')}) and in signet status (${short(plainSerial(issued))})`,
    ),
  ];
};

const deniedByIdentity = async () => {
  const [certificate] = await heldSerials(inventory);
  const before = await inboundCounters(payments);
  const { status: code, text } = await request('GET', inventory.app, '/restock');
  const after = await inboundCounters(payments);
  return [
    check(
      certificate !== undefined,
      `inventory holds a valid certificate: ${inventory.identity}, serial ${short(certificate)}`,
    ),
    check(code === 403, `POST /charge from inventory: ${code} ${JSON.stringify(json(text)?.payments?.body ?? text)}`),
    check(
      after.handshakes > before.handshakes,
      `payments' Envoy took the certificate: ssl.handshake ${before.handshakes} → ${after.handshakes}`,
    ),
    check(
      after.denied === before.denied + 1,
      `and RBAC refused the identity: rbac denied ${before.denied} → ${after.denied}`,
    ),
    check(after.toApp === before.toApp, `payments' app saw nothing: app requests ${before.toApp} → ${after.toApp}`),
  ];
};

const plaintextRefused = async () => {
  const before = await inboundCounters(payments);
  const place = { host: payments.address, port: payments.port };
  const outcome = await request('POST', place, '/charge', { host: 'payments' }).then(
    ({ status: code }) => `answered ${code}`,
    (error) => error,
  );
  const after = await inboundCounters(payments);
  const refused = outcome instanceof Error;
  const url = `http://${place.host}:${place.port}/charge`;
  return [
    check(refused, `plain POST ${url}: ${refused ? `${outcome.message} (${outcome.code})` : outcome}`),
    check(
      after.unmatched > before.unmatched,
      `payments' Envoy: no_filter_chain_match (no chain takes plaintext) ${before.unmatched} → ${after.unmatched}`,
    ),
    check(after.toApp === before.toApp, `payments' app saw nothing: app requests ${before.toApp} → ${after.toApp}`),
  ];
};

/** Calls through the whole chain with eight callers until told to stop. */
const load = () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const tally = { done: 0, failed: 0, why: undefined };
  let going = true;
  const caller = async () => {
    while (going) {
      const answer = await request('GET', web.app, '/buy', {}, agent).catch((error) => ({
        status: 0,
        text: error.message,
      }));
      tally.done += 1;
      if (answer.status === 200) continue;
      tally.failed += 1;
      tally.why = `${answer.status} ${answer.text}`;
    }
  };
  const callers = Promise.all(Array.from({ length: 8 }, caller));
  const stop = async () => {
    going = false;
    await callers;
    agent.destroy();
    return tally;
  };
  return { tally, stop };
};

const rotatedUnderLoad = async () => {
  const old = (await shownCertificate(orders)).serial;
  const traffic = load();
  try {
    await sleep(1_000);
    const beforeRenewal = traffic.tally.done;
    await signet('ca', 'renew', orders.key);
    const fresh = await until('the new certificate in a fresh handshake', async () => {
      const { serial } = await shownCertificate(orders);
      return serial !== old && serial;
    });
    await sleep(1_500);
    const { done, failed, why } = await traffic.stop();
    const held = await heldSerials(orders);
    return [
      check(
        held.includes(fresh),
        `orders' certificate: serial ${short(old)} → ${short(fresh)} in Envoy's /certs and on the wire`,
      ),
      check(
        beforeRenewal > 0 && done > beforeRenewal,
        `${done} requests, ${done - beforeRenewal} of them after signet ca renew ${orders.key}`,
      ),
      check(failed === 0, `${failed} failed requests${failed === 0 ? '' : `, the last one: ${why}`}`),
    ];
  } finally {
    await traffic.stop();
  }
};

export const PROOFS = [
  { title: 'web → orders → payments is allowed, with mTLS', prove: allowedWithMtls },
  { title: 'inventory → payments is denied by identity, with a valid certificate', prove: deniedByIdentity },
  { title: 'a plaintext call to payments is refused', prove: plaintextRefused },
  { title: 'a certificate is rotated under load without a failed request', prove: rotatedUnderLoad },
];

/** Proves one claim out loud; `true` if all its checks hold. */
export const proveAloud = async ({ title, prove }, say) => {
  const checks = await prove().catch((error) => [check(false, error.message)]);
  const ok = checks.every((one) => one.ok);
  say(`${ok ? '✔' : '✘'} ${title}`);
  for (const one of checks) say(`    ${one.ok ? '·' : '✘'} ${one.text}`);
  return ok;
};
