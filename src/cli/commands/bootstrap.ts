import { resolve } from 'node:path';
import type { BootstrapRequest } from '../../admin/requests.ts';
import type { BootstrapMade } from '../../admin/responses.ts';
import type { Instance } from '../../app/sidecar.ts';
import { AppError } from '../../lib/errors.ts';
import { parseHostPort, showHostPort } from '../../lib/hostPort.ts';
import { secret } from '../../lib/secret.ts';
import { type AdminClient, adminClient } from '../adminClient.ts';
import {
  type CommandSpec,
  type Input,
  type Io,
  JSON_ONLY,
  PLACE,
  printJson,
  SERVER,
  serviceArgument,
  usage,
} from '../command.ts';
import { addressOption, outboundOption } from './translate.ts';

/** A bootstrap for a new instance of a service. */
export const bootstrapCommand: CommandSpec = {
  name: 'bootstrap',
  args: [{ form: '<service>', description: 'NAMESPACE/NAME' }],
  summary: 'print a complete Envoy bootstrap for a new instance of a service',
  example: 'signet bootstrap prod/web --address 127.0.1.2 --outbound 127.0.1.2:15001 > envoy.json',
  options: [
    ...PLACE,
    {
      flags: '--keep-certificate <dir>',
      description: 'no token in it, but a client certificate, which this command keeps fresh in DIR until it is ended',
    },
    JSON_ONLY,
    ...SERVER,
  ],
  run: async (input, io) => {
    const ask = bootstrapAsk(input);
    const client = await adminClient(input, io);
    const dir = input.text('keep-certificate');
    if (dir !== undefined) {
      await keptBootstrap(client, { ...ask, clientCertificate: { folder: resolve(dir) } }, io);
      return 0;
    }
    const { bootstrap, command } = await client.post<BootstrapMade>('/api/v1/bootstraps', ask);
    printJson(io, bootstrap);
    io.stderr.write(`${command}\n`);
    return 0;
  },
};

/** A bootstrap with a client certificate, which is kept fresh until a signal comes. The token stays in this process. */
const keptBootstrap = async (
  client: AdminClient,
  ask: BootstrapRequest & { readonly clientCertificate: { readonly folder: string } },
  io: Io,
): Promise<void> => {
  // The gRPC client is loaded by no other command but `sidecar`.
  const { runKeptBootstrap } = await import('../../app/keptBootstrap.ts');
  const { folder } = ask.clientCertificate;
  let start = '';
  await runKeptBootstrap({
    folder,
    instance: async () => {
      const made = await client.post<BootstrapMade>('/api/v1/bootstraps', ask);
      start = made.command;
      return joined(made);
    },
    admin: typeof ask.envoyAdmin === 'number' ? { host: '127.0.0.1', port: ask.envoyAdmin } : undefined,
    print: (bootstrap) => {
      printJson(io, bootstrap);
      io.stderr.write(`${start}\nkeeps the client certificate in ${folder} fresh until it is ended\n`);
    },
    say: (sentence) => void io.stderr.write(`signet: ${sentence}\n`),
  });
};

/** @throws AppError `failed` where the control plane says nothing of how to join */
export const joined = ({ node, bootstrap, join }: BootstrapMade): Instance => {
  if (join === undefined) throw new AppError('failed', 'this control plane is older than this command: update it');
  return { node, bootstrap, join: { ...join, token: secret(join.token) } };
};

/** The request that the flags make. */
export const bootstrapAsk = (input: Input): BootstrapRequest => {
  const service = serviceArgument(input.args[0]);
  const address = addressOption(input.text('address'));
  const outbound = outboundOption(input.text('outbound'));
  const xds = input.text('xds');
  if (xds !== undefined && (parseHostPort(xds)?.port ?? 0) === 0) throw usage(`--xds ${xds} is not HOST:PORT`);
  const admin = input.text('envoy-admin');
  if (admin !== undefined && !(Number.isInteger(Number(admin)) && Number(admin) > 0 && Number(admin) < 65_536)) {
    throw usage(`--envoy-admin ${admin} is no port`);
  }
  return {
    service,
    outbound: showHostPort(outbound),
    ...(address === undefined ? {} : { address }),
    ...(xds === undefined ? {} : { xds }),
    ...(admin === undefined ? {} : { envoyAdmin: Number(admin) }),
  };
};
