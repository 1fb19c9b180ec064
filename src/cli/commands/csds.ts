import { join } from 'node:path';
import type { XdsAnswer } from '../../admin/responses.ts';
import { exitCodeOf, startChild } from '../../app/envoyProcess.ts';
import { openPrivateFolder } from '../../app/privateFolder.ts';
import type { FleetStatus } from '../../control/status.ts';
import { AppError } from '../../lib/errors.ts';
import { type HostPort, parseHostPort } from '../../lib/hostPort.ts';
import { type AdminClient, adminClient } from '../adminClient.ts';
import { type CommandSpec, type ExitCode, type Input, type Io, PLACE, print, SERVER, usage } from '../command.ts';

/** What stands in COMMAND for the address. */
const HERE = '{}';

/** Client status of one sidecar, for tools that can show no token. */
export const csdsCommand: CommandSpec = {
  name: 'csds',
  args: [{ form: '<sidecar>', description: 'NAMESPACE/NAME/INSTANCE, or NAMESPACE/NAME if it has one sidecar' }],
  summary: 'show grpcdebug and its like one sidecar: client status on a unix socket, while COMMAND or this runs',
  example: ['signet csds prod/orders -- grpcdebug {} xds status', 'signet csds prod/orders'].join('\n'),
  options: [...PLACE.filter(({ flags }) => flags.startsWith('--xds ')), ...SERVER],
  takesRest: true,
  run: async (input, io) => {
    const { rest } = input;
    if (rest.length > 0 && !rest.some((word) => word.includes(HERE))) {
      throw usage(`say with ${HERE} where COMMAND takes the address: -- grpcdebug ${HERE} xds status`);
    }
    const client = await adminClient(input, io);
    const node = await nodeNamed(client, input.args[0] ?? '');
    const channel = await channelOf(client, input);
    // The gRPC client is loaded by no other command.
    const [{ openView }, { openXdsClient }] = await Promise.all([
      import('../../app/csdsView.ts'),
      import('../../app/xdsClient.ts'),
    ]);
    const upstream = openXdsClient(channel);
    // Only this user may enter it: who reaches the socket has the rights of the admin token.
    const folder = await openPrivateFolder('csds');
    try {
      const socket = join(folder.path, 'csds.sock');
      const view = await openView({ client: upstream, adminToken: client.token, node, socket });
      try {
        return await hold(`unix://${socket}`, rest, io);
      } finally {
        view.close();
      }
    } finally {
      upstream.close();
      await folder.close();
    }
  },
};

const nodeNamed = async (client: AdminClient, asked: string): Promise<string> => {
  const { sidecars } = await client.get<FleetStatus>('/api/v1/status');
  const nodes = [...new Set(sidecars.map(({ node }) => node))];
  const found = nodes.filter((node) => node === asked || node.startsWith(`${asked}/`));
  const [only] = found;
  if (only === undefined) throw new AppError('no_sidecar', `no sidecar ${asked} is connected: see \`signet status\``);
  if (found.length > 1) throw usage(`${asked} has ${found.length} sidecars, name one of them: ${found.join(', ')}`);
  return only;
};

const channelOf = async (client: AdminClient, input: Input) => {
  const typed = input.text('xds');
  const { address, anchorPem, serverId } = await client.get<XdsAnswer>('/api/v1/xds');
  const xds: HostPort | undefined = typed === undefined ? (address ?? undefined) : parseHostPort(typed);
  if (xds === undefined && typed !== undefined) throw usage(`--xds ${typed} is not HOST:PORT`);
  if (xds === undefined)
    throw usage('Signet listens on all addresses: say with --xds HOST:PORT which one is reached here');
  return { xds, anchorPem, serverId };
};

/** While COMMAND runs, or without one until a signal. */
const hold = async (address: string, command: readonly string[], io: Io): Promise<ExitCode> => {
  const [program, ...args] = command.map((word) => word.replaceAll(HERE, address));
  const signal = newSignal();
  try {
    if (program === undefined) {
      print(io, address);
      await signal.came;
      return 0;
    }
    const child = startChild(program, args, { stdio: 'inherit', env: io.env });
    void signal.came.then((which) => child.process.kill(which));
    const ended = await child.ended;
    if (ended.error !== undefined) throw new AppError('command_failed', `${program}: ${ended.error.message}`);
    return exitCodeOf(ended);
  } finally {
    signal.close();
  }
};

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const newSignal = () => {
  let tell: (signal: NodeJS.Signals) => void = () => {};
  const came = new Promise<NodeJS.Signals>((resolve) => {
    tell = resolve;
  });
  for (const signal of SIGNALS) process.on(signal, tell);
  return { came, close: () => SIGNALS.forEach((signal) => void process.off(signal, tell)) };
};
