import type { BootstrapRequest } from '../../admin/requests.ts';
import type { BootstrapMade } from '../../admin/responses.ts';
import { parseHostPort, showHostPort } from '../../lib/hostPort.ts';
import { adminClient } from '../adminClient.ts';
import {
  type CommandSpec,
  type Input,
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
  options: [...PLACE, JSON_ONLY, ...SERVER],
  run: async (input, io) => {
    const ask = bootstrapAsk(input);
    const client = await adminClient(input, io);
    const { bootstrap, command } = await client.post<BootstrapMade>('/api/v1/bootstraps', ask);
    printJson(io, bootstrap);
    io.stderr.write(`${command}\n`);
    return 0;
  },
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
