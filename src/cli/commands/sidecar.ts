import type { BootstrapRequest } from '../../admin/requests.ts';
import type { BootstrapMade } from '../../admin/responses.ts';
import { findEnvoy } from '../../app/findEnvoy.ts';
import type { Instance, Places } from '../../app/sidecar.ts';
import type { FleetStatus } from '../../control/status.ts';
import { type AdminClient, adminClient } from '../adminClient.ts';
import { type CommandSpec, PLACE, SERVER } from '../command.ts';
import { bootstrapAsk, joined } from './bootstrap.ts';
import { outboundOption } from './translate.ts';

/** Envoy for one service on this host, and a command beside it. */
export const sidecarCommand: CommandSpec = {
  name: 'sidecar',
  args: [{ form: '<service>', description: 'NAMESPACE/NAME' }],
  summary: 'run Envoy as a sidecar of a service, and a command beside it',
  example: [
    'signet sidecar prod/web --address 127.0.1.2 --outbound 127.0.1.2:15001 -- node app.js',
    'signet sidecar prod/debug -- curl http://payments/debug/x',
  ].join('\n'),
  options: [...PLACE, ...SERVER],
  takesRest: true,
  run: async (input, io) => {
    const ask = bootstrapAsk(input);
    const client = await adminClient(input, io);
    const say = (sentence: string): void => {
      io.stderr.write(`signet: ${sentence}\n`);
    };
    const envoy = findEnvoy({ env: io.env, say });
    const admin = typeof ask.envoyAdmin === 'number' ? { host: '127.0.0.1', port: ask.envoyAdmin } : undefined;
    // The gRPC client is loaded by no other command.
    const { runSidecar } = await import('../../app/sidecar.ts');
    return runSidecar({
      envoy: envoy.path,
      bootstrap: (places) => instance(client, ask, places),
      admin,
      outbound: outboundOption(input.text('outbound')),
      command: input.rest,
      refusal: (node) => refusal(client, node),
      say,
      env: io.env,
    });
  },
};

/** A new instance that shows a client certificate; the token with which it has one stays in this process. */
const instance = async (client: AdminClient, ask: BootstrapRequest, places: Places): Promise<Instance> => {
  const { pipe, certificate } = places;
  const body = { envoyAdmin: { pipe }, clientCertificate: { folder: certificate }, ...ask };
  return joined(await client.post<BootstrapMade>('/api/v1/bootstraps', body));
};

/** What this node's Envoy said no to, as the control plane heard it. */
const refusal = async (client: AdminClient, node: string): Promise<string | undefined> => {
  try {
    const status = await client.get<FleetStatus>('/api/v1/status');
    const own = status.sidecars.find((sidecar) => sidecar.node === node);
    const errors = Object.values(own?.types ?? {}).flatMap(({ error }) => (error === null ? [] : [error]));
    return errors.length === 0 ? undefined : errors.join('; ');
  } catch {
    return undefined; // Envoy's own word has to do
  }
};
