// A process of simulated sidecars: told whom to be, it connects them all at once, ACKs everything, and says when the last has all.
import { TYPE } from '../../../src/xds/resource.ts';
import { type AdsClientOptions, openAds } from '../../support/adsClient.ts';

export type SidecarsOrder = {
  readonly common: Pick<AdsClientOptions, 'address' | 'anchorPem' | 'serverId'>;
  readonly trustDomain: string;
  /** `nodeId` is `NAMESPACE/NAME/INSTANCE`. */
  readonly sidecars: readonly Required<Pick<AdsClientOptions, 'nodeId' | 'token' | 'metadata'>>[];
};

/** As Envoy asks: clusters, their endpoints and the secrets, listeners, their routes. */
const connect = ({ common, trustDomain }: SidecarsOrder, sidecar: SidecarsOrder['sidecars'][0]): Promise<void> =>
  new Promise((resolve, reject) => {
    const client = openAds({ ...common, ...sidecar, autoAck: true });
    client.ended.then(({ code, details }) => reject(new Error(`${sidecar.nodeId}: ${code} ${details}`)), reject);
    const [namespace, service] = sidecar.nodeId.split('/');
    const secrets = [`spiffe://${trustDomain}/ns/${namespace}/sa/${service}`, `spiffe://${trustDomain}`];
    const asked = new Set<string>();
    const ask = (type: string, subscribe?: readonly string[]): void => {
      if (asked.has(type)) return;
      asked.add(type);
      client.ask(type, subscribe === undefined ? {} : { subscribe });
    };
    client.onResponse(({ type, resources }) => {
      const names = resources.map(({ name }) => name);
      const upstreams = names.filter((name) => !name.startsWith('app/'));
      if (type === TYPE.cds && upstreams.length > 0) ask(TYPE.eds, upstreams);
      if (type === TYPE.cds) {
        ask(TYPE.sds, secrets);
        ask(TYPE.lds);
      }
      const routes = names.map((name) => (name === 'outbound/15001' ? 'outbound' : name));
      if (type === TYPE.lds) ask(TYPE.rds, routes);
      if (type === TYPE.rds) resolve();
    });
    ask(TYPE.cds);
  });

process.on('message', (order: SidecarsOrder) => {
  Promise.all(order.sidecars.map((sidecar) => connect(order, sidecar))).then(
    () => process.send?.('connected'),
    (error: Error) => {
      console.error(error.message);
      process.exit(1);
    },
  );
});
// Nothing outlives the drill, however it ended.
process.on('disconnect', () => process.exit(0));
