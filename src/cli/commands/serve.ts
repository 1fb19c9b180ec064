import { createLog } from '../../app/logging.ts';
import { AppError } from '../../lib/errors.ts';
import { type HostPort, parseHostPort, showHostPort } from '../../lib/hostPort.ts';
import { CONFIG, type CommandSpec, usage } from '../command.ts';
import { PASSPHRASE, passphraseSource } from './ca/passphrase.ts';

const hostPort = (flag: string, text: string | undefined): HostPort => {
  const parsed = parseHostPort(text ?? '');
  if (parsed === undefined) throw usage(`${flag} ${text ?? ''} is not HOST:PORT`);
  return parsed;
};

/** The control plane, until SIGINT or SIGTERM. */
export const serveCommand: CommandSpec = {
  name: 'serve',
  args: [],
  summary: 'run the control plane',
  example: 'signet serve --config mesh.yaml --data ./.signet',
  options: [
    CONFIG,
    { flags: '--data <dir>', description: 'where state and keys are kept, mode 0700', default: './.signet' },
    { flags: '--xds <host:port>', description: 'where sidecars connect', default: '127.0.0.1:18000' },
    { flags: '--admin <host:port>', description: 'admin API and metrics', default: '127.0.0.1:18001' },
    { flags: '--store <url>', description: 'a shared store instead of the embedded one (not built yet)' },
    ...PASSPHRASE,
    { flags: '--bootstraps <dir>', description: 'keep DIR/NS/NAME/envoy.json ready for every service' },
  ],
  run: async (input, io) => {
    if (input.text('store') !== undefined)
      throw new AppError('usage', '--store is not built yet: state is kept in --data');
    const xds = hostPort('--xds', input.text('xds'));
    const admin = hostPort('--admin', input.text('admin'));
    // The servers and the store are loaded by no other command.
    const { compose } = await import('../../app/compose.ts');
    const { readPassphrase } = await import('../../app/passphrase.ts');
    const log = createLog();
    const running = await compose({
      config: input.text('config') ?? '',
      data: input.text('data') ?? '',
      xds,
      admin,
      bootstraps: input.text('bootstraps'),
      passphrase: await readPassphrase(passphraseSource(input)),
      env: io.env,
      log,
    });
    log.info({ xds: showHostPort(running.xds), admin: `http://${showHostPort(running.admin)}` }, 'Signet is ready');
    const signal = await stopped();
    log.info({ signal }, 'Signet shuts down');
    await running.close();
    return 0;
  },
};

const stopped = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
  });
