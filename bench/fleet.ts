// The second process: many simulated sidecars, each with a TLS connection, a token and a delta ADS stream of its own.
// They subscribe as Envoy does: clusters first, then their endpoints and secrets, then listeners, then their routes.
import { TYPE } from '../src/xds/resource.ts';
import { type AdsClient, type AdsResponse, openAds } from '../test/support/adsClient.ts';
import type { FleetOptions, Order, Report } from './messages.ts';

type SidecarOptions = FleetOptions['sidecars'][number];
type Sidecar = { readonly client: AdsClient; readonly ready: Promise<number> };

const report = (message: Report): void => void process.send?.(message);
const sidecars: Sidecar[] = [];
let onRoutes: (sidecar: number) => void = () => {};

/** The route configurations that listeners refer to, by the public names of Envoy resources in `src/envoy/names.ts`. */
const routesOf = (listeners: readonly string[]): readonly string[] =>
  listeners.map((name) => (name === 'outbound/15001' ? 'outbound' : name));

const open = (fleet: FleetOptions, { nodeId, token, address }: SidecarOptions, index: number): Sidecar => {
  const client = openAds({ ...fleet, nodeId, token, autoAck: true, metadata: { 'signet.address': address } });
  const [namespace, service] = nodeId.split('/');
  const secrets = [`spiffe://${fleet.trustDomain}/ns/${namespace}/sa/${service}`, `spiffe://${fleet.trustDomain}`];
  const missing = new Map<string, Set<string>>();
  const want = (type: string, names: readonly string[]): void => {
    if (names.length === 0) return;
    missing.set(type, new Set(names));
    client.ask(type, { subscribe: names });
  };
  const ready = new Promise<number>((resolve, reject) => {
    client.ended.then(({ code, details }) => reject(new Error(`${nodeId}: stream ended, ${code} ${details}`)), reject);
    let [clusters, listeners] = [false, false];
    client.onResponse(({ type, resources }: AdsResponse) => {
      const names = resources.map(({ name }) => name);
      if (type === TYPE.cds && !clusters) {
        clusters = true;
        want(
          TYPE.eds,
          names.filter((name) => !name.startsWith('app/')),
        );
        want(TYPE.sds, secrets);
        client.ask(TYPE.lds);
      } else if (type === TYPE.lds && !listeners) {
        listeners = true;
        want(TYPE.rds, routesOf(names));
      } else if (type === TYPE.rds) onRoutes(index);
      for (const name of names) missing.get(type)?.delete(name);
      if (listeners && [...missing.values()].every((left) => left.size === 0)) resolve(Date.now());
    });
  });
  client.ask(TYPE.cds);
  return { client, ready };
};

const expectRoutes = (expected: number): void => {
  const at = new Map<number, number>();
  onRoutes = (index) => {
    if (at.size < expected) at.set(index, Date.now());
    if (at.size !== expected) return;
    onRoutes = () => {};
    report({ kind: 'routes', at: [...at.values()] });
  };
  report({ kind: 'armed' });
};

const connect = async (fleet: FleetOptions): Promise<void> => {
  const startedAt = Date.now();
  sidecars.push(...fleet.sidecars.map((one, index) => open(fleet, one, index)));
  const readyAt = await Promise.all(sidecars.map(({ ready }) => ready));
  report({ kind: 'connected', startedAt, readyAt });
};

process.on('message', (order: Order) => {
  if (order.kind === 'connect') {
    connect(order.fleet).catch((error: Error) => report({ kind: 'failed', message: error.message }));
  } else if (order.kind === 'expectRoutes') expectRoutes(order.expected);
  else {
    for (const { client } of sidecars) client.close();
    process.disconnect();
  }
});
// Nothing outlives the benchmark, however it ended.
process.on('disconnect', () => process.exit(0));
