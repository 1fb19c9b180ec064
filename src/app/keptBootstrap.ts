import { readdir } from 'node:fs/promises';
import { systemClock as clock } from '../control/clock.ts';
import { CLIENT_CERTIFICATE } from '../envoy/bootstrap.ts';
import { AppError } from '../lib/errors.ts';
import type { HostPort } from '../lib/hostPort.ts';
import { keepCertificate } from './keepCertificate.ts';
import { newerCertificate } from './newerCertificate.ts';
import type { Instance } from './sidecar.ts';

export type KeptBootstrapOptions = {
  /** Absolute; for this one instance alone. */
  readonly folder: string;
  /** Asks for the bootstrap of a new instance that shows the certificate of that folder. */
  readonly instance: () => Promise<Instance>;
  readonly admin: HostPort | undefined;
  /** Called once, when the folder holds the first certificate. */
  readonly print: (bootstrap: object) => void;
  readonly say: (sentence: string) => void;
};

/** What stands in the folder is replaced and removed, so it must be ours. @throws AppError `write_failed` */
const refuseForeign = async (folder: string): Promise<void> => {
  const names: readonly string[] = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new AppError('write_failed', `${folder} cannot be read (${error.code})`);
  });
  if (names.length > 0 && !names.includes(CLIENT_CERTIFICATE.secret))
    throw new AppError('write_failed', `${folder} holds other things: name a new folder, of which all is Signet's`);
};

/**
 * Keeps the client certificate of an Envoy that somebody else runs in a folder, until a signal comes.
 * @throws AppError if there is no first one: as `keepCertificate`; `write_failed` for a folder that holds other things
 */
export const runKeptBootstrap = async (options: KeptBootstrapOptions): Promise<void> => {
  const { folder, admin, print, say } = options;
  await refuseForeign(folder);
  const { node, bootstrap, join } = await options.instance();
  const isOutdated = admin === undefined ? {} : { isOutdated: newerCertificate(admin) };
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  const kept = await keepCertificate({ folder, node, join, say, clock, ...isOutdated });
  print(bootstrap);
  await stopped;
  await kept.close();
};
