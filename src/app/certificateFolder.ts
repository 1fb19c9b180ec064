import { mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { clientCertificateSecret, CLIENT_CERTIFICATE as NAME } from '../envoy/bootstrap.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { reveal } from '../lib/secret.ts';
import type { ClientSvid } from './fetchSvid.ts';
import { writeAtomically } from './files.ts';

/**
 * Puts a certificate where Envoy looks for it, in a folder that only this user may enter. A reader has the old chain and
 * key or the new ones: both lie in a folder of their own, and one rename turns the link `current` to it. The folder that
 * was current before stays for who is reading just now. (One file for both would be simpler, and Envoy would show the key
 * in its `/config_dump`, as part of the chain.)
 * @throws AppError `write_failed`
 */
export const writeCertificate = async (folder: string, svid: ClientSvid): Promise<void> => {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const before = await readlink(join(folder, NAME.current)).catch(() => undefined);
    if (before === svid.serial) return;
    const own = join(folder, svid.serial);
    await mkdir(own, { recursive: true, mode: 0o700 });
    await writeAtomically(join(own, NAME.chain), svid.chainPem, 0o600);
    await writeAtomically(join(own, NAME.key), reveal(svid.keyPem), 0o600);
    if (before === undefined) await writeAtomically(join(folder, NAME.secret), secretText(folder), 0o600);
    const next = join(folder, '.next');
    await rm(next, { force: true });
    await symlink(svid.serial, next);
    await rename(next, join(folder, NAME.current));
    const kept = new Set<string | undefined>([svid.serial, before, NAME.current, NAME.secret]);
    const old = (await readdir(folder)).filter((name) => !kept.has(name));
    for (const name of old) await rm(join(folder, name), { recursive: true, force: true });
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('write_failed', `cannot write below ${folder}: ${messageOf(error)}`, { cause: error });
  }
};

const secretText = (folder: string): string => `${JSON.stringify(clientCertificateSecret(folder), null, 2)}\n`;
