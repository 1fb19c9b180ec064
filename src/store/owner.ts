import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

/** Who has the store open: a process, told apart from a later one that was given the same pid. */
export type Owner = { readonly pid: number; readonly started: string; readonly boot: string; readonly nonce: number };

const ownerSchema = z.object({ pid: z.int().positive(), started: z.string(), boot: z.string(), nonce: z.number() });

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
};

/** Start time in ticks since boot, or `undefined` if there is no such process or only its zombie. proc(5), `stat`. */
const startOf = (pid: number): string | undefined => {
  const fields = read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ');
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
};

const bootId = (): string => read('/proc/sys/kernel/random/boot_id') ?? '';

/** This process as an owner; the nonce makes each opening a different one. */
export const thisOwner = (): Owner => ({
  pid: process.pid,
  started: startOf(process.pid) ?? '',
  boot: bootId(),
  nonce: randomBytes(6).readUIntBE(0, 6) + 1,
});

/** The owner that a record names, or `undefined` if it is none. */
export const parseOwner = (record: Uint8Array): Owner | undefined => {
  try {
    return ownerSchema.safeParse(JSON.parse(Buffer.from(record).toString('utf8'))).data;
  } catch {
    return undefined;
  }
};

/** Whether the owner still runs. A record of an earlier boot, or of a pid that now is another process, is stale. */
export const isAlive = (owner: Owner): boolean => {
  if (owner.boot !== bootId()) return false;
  if (existsSync('/proc/self/stat')) return startOf(owner.pid) === owner.started;
  try {
    return process.kill(owner.pid, 0);
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
};
