// The demo mesh: a control plane, four apps, each behind a real Envoy, and four proofs. Runs until Ctrl-C.

import { follow } from './follow.mjs';
import { ADMIN, ADMIN_URL, DATA, MESH_FILE, SERVICES, sidecarArguments, XDS } from './layout.mjs';
import { knowsEndpointOf, request, status } from './observe.mjs';
import { DemoError, expectFreePorts, start, stopAll, until, watchOver } from './processes.mjs';
import { PROOFS, proveAloud } from './proofs.mjs';

const say = (line = '') => console.log(line);
const services = Object.values(SERVICES);
let stopped;

const stop = (code) => {
  stopped ??= stopAll().then(() => process.exit(code));
  return stopped;
};

const startControlPlane = (again) => start('control-plane', ['serve', '--config', MESH_FILE, '--data', DATA], again);

const isReady = async () => (await request('GET', ADMIN, '/readyz')).status === 200;

/** Everything that was sent is acked, and every caller knows where its upstreams are. */
const hasConverged = async () => {
  const sidecars = await status();
  const acked = services.every(({ key }) => {
    const types = Object.values(sidecars.get(key)?.types ?? {});
    return types.length > 0 && types.every(({ sent, acked: ack }) => sent === ack);
  });
  if (!acked) return false;
  const known = services.flatMap((service) =>
    service.upstreams.map((name) => knowsEndpointOf(service, SERVICES[name])),
  );
  return (await Promise.all(known)).every(Boolean);
};

const startMesh = async () => {
  await expectFreePorts();
  watchOver();
  const controlPlane = startControlPlane();
  await until('the control plane becoming ready', isReady, { alive: [controlPlane] });
  say(`control plane ready: xDS on ${XDS.host}:${XDS.port}, admin on ${ADMIN_URL}`);
  const sidecars = services.map((service) => start(`sidecar-${service.name}`, sidecarArguments(service)));
  const alive = [controlPlane, ...sidecars];
  for (const { name, app, address, port } of services) {
    await until(`${name} starting behind its Envoy`, () => request('GET', app, '/'), { alive, seconds: 60 });
    say(`${name.padEnd(9)} ready: its Envoy listens on ${address}:${port}, its app on ${app.host}:${app.port}`);
  }
  await until('the mesh acknowledging its configuration', hasConverged, { alive });
  return { controlPlane, sidecars };
};

const HINTS = `
The mesh is running. The control plane's admin address: ${ADMIN_URL}
Try, in another terminal, in this folder:

  curl http://127.0.0.1:18010/buy                                  # web → orders → payments
  curl http://127.0.0.1:18013/restock                              # inventory → payments: 403
  curl -x http://127.0.1.2:15001 http://orders/orders/1            # any call as web, through its sidecar
  ./bin/signet status
  ./bin/signet can shop/inventory shop/payments POST /charge       # why not?
  ./bin/signet ca renew shop/orders

Edit ${MESH_FILE} and save: the mesh follows. README.md walks through such an edit.
Ctrl-C ends everything.
`;

/** Under npm a shell stands between: when that is killed, nobody would tell this process. */
const stopWithNpm = () => {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && stop(143), 500).unref();
};

const main = async () => {
  if (process.platform !== 'linux')
    throw new DemoError(
      'the demo needs Linux, which answers on all of 127.0.0.0/8; docker compose up runs it elsewhere',
    );
  const mesh = await startMesh();
  say();
  let proven = true;
  for (const proof of PROOFS) proven = (await proveAloud(proof, say)) && proven;
  if (!proven) throw new DemoError('a proof failed: see the lines marked ✘ above');
  say(HINTS);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal).on(signal, () => stop(0));
  await follow(mesh, startControlPlane, (line) => stopped === undefined && say(line));
};

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])
  process.on(signal, () => stop(code));
process.stdout.on('error', () => stop(1)); // whoever read the output is gone
stopWithNpm();
main().catch((error) => {
  if (stopped !== undefined) return undefined;
  console.error(`\n✘ ${error instanceof DemoError ? error.message : error.stack}`);
  return stop(1);
});
