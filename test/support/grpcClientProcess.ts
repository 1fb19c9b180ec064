// A process of its own, since gRPC reads its xDS bootstrap once: `GRPC_XDS_BOOTSTRAP` names the file. It asks the health of the
// service `ready` of each target in its arguments, again and again, and says how that went: a line of JSON for each call.
import { credentials, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js';
import { register, XdsChannelCredentials } from '@grpc/grpc-js-xds';
import { service } from 'grpc-health-check';

register();
const Health = makeGenericClientConstructor(service, 'Health');
const targets = process.argv.slice(2);

for (const target of targets) {
  const client = new Health(target, new XdsChannelCredentials(credentials.createInsecure()));
  const call = (): void => {
    const deadline = Date.now() + 5_000;
    client.check?.({ service: 'ready' }, { deadline }, (error: ServiceError | null) => {
      const said = { target, code: error?.code ?? 0, details: error?.details ?? '' };
      process.stdout.write(`${JSON.stringify(said)}\n`);
      setTimeout(call, 50);
    });
  };
  call();
}
