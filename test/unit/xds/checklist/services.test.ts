import assert from 'node:assert/strict';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { TYPE, type TypeName } from '../../../../src/xds/resource.ts';
import { checklist, PROTOCOL } from './rig.ts';

const SERVICES: Readonly<Record<TypeName, readonly [service: string, noun: string]>> = {
  cds: ['envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters'],
  eds: ['envoy.service.endpoint.v3.EndpointDiscoveryService', 'Endpoints'],
  lds: ['envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners'],
  rds: ['envoy.service.route.v3.RouteDiscoveryService', 'Routes'],
  sds: ['envoy.service.secret.v3.SecretDiscoveryService', 'Secrets'],
};
const TYPES = Object.keys(SERVICES) as TypeName[];

checklist('services of one type', `${PROTOCOL}#rpc-services-and-methods-for-each-variant`, ({ both }) => {
  for (const type of TYPES) {
    const [service, noun] = SERVICES[type];

    both(`${type}: a whole conversation on a stream of its own, the type said or not`, async (rig) => {
      const method = `${service}/${rig.variant === 'delta' ? 'Delta' : 'Stream'}${noun}`;
      rig.publish({ [type]: { x: '1' } });
      const sidecar = rig.open({ method });
      sidecar.ask('', { subscribe: ['x'], names: ['x'] });
      await sidecar.hears(`${type} +x@1`);
      sidecar.ack(type, { names: ['x'] });
      rig.publish({ [type]: { x: '2' } });
      await sidecar.hears(`${type} +x@2`);
      const { nonce } = sidecar.last(type);
      sidecar.ask('', { nonce, error: 'no', names: ['x'] });
      rig.publish({ [type]: { x: '2' } });
      rig.publish({ [type]: { x: '3' } });
      await sidecar.hears(`${type} +x@3`);
      sidecar.ask(type === 'sds' ? TYPE.cds : TYPE.sds, { subscribe: ['x'], names: ['x'] });
      const { code, details } = await sidecar.ended;
      assert.equal(code, status.INVALID_ARGUMENT);
      assert.ok(details.endsWith(`its type_url is not ${TYPE[type]}`), details);
    });
  }

  both('a cluster stream without names is a wildcard there, too', async (rig) => {
    rig.publish({ cds: { a: '1', b: '1' } });
    const method = `${SERVICES.cds[0]}/${rig.variant === 'delta' ? 'Delta' : 'Stream'}Clusters`;
    const sidecar = rig.open({ method });
    sidecar.ask('');
    await sidecar.hears('cds +a@1 +b@1');
  });

  both('the polling method of each type is UNIMPLEMENTED, and names the remedy', async (rig) => {
    const channel = credentials.createSsl(Buffer.from(rig.anchorPem), null, null, {
      checkServerIdentity: () => undefined,
    });
    const { host, port } = rig.server().address();
    const client = new Client(`${host}:${port}`, channel, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.ssl_target_name_override': 'control-plane',
    });
    const bytes = (b: Buffer): Buffer => b;
    const refusal = (path: string): Promise<{ code?: status; details?: string } | null> =>
      new Promise((resolve) => {
        client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), new Metadata(), resolve);
      });
    for (const type of TYPES) {
      const [service, noun] = SERVICES[type];
      const refused = await refusal(`/${service}/Fetch${noun}`);
      assert.equal(refused?.code, status.UNIMPLEMENTED);
      assert.match(refused?.details ?? '', /DELTA_GRPC/);
    }
    client.close();
  });
});
