import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../lib/errors.ts';
import { reveal, type Secret } from '../lib/secret.ts';
import type { Entry, Store, Write } from '../lib/store.ts';

/** Where it is said how the rest is sealed: no secret, and the only entry of it in clear. */
const SEAL = 'seal';
const headerSchema = z.strictObject({
  schema: z.literal(1),
  kdf: z.strictObject({ name: z.literal('scrypt'), N: z.int(), r: z.int(), p: z.int(), salt: z.string() }),
  /** Something known, sealed: whether a passphrase is the right one. */
  check: z.string(),
});
type Header = z.infer<typeof headerSchema>;

/** 64 MiB and about a quarter of a second for each guess (RFC 7914 §2). */
const COST = { N: 2 ** 16, r: 8, p: 1 } as const;
const MOST_COST = 2 ** 20;
const MAGIC = Buffer.from('signet-sealed-1\n');
const KNOWN = 'signet';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What holds private keys: the documents of the CAs, the generations before them, and the workloads' certificates. */
const isSecret = (key: string): boolean => /^ca\/(mesh|channel)(\/previous)?$|^svid\//.test(key);

const isSealed = (value: Uint8Array): boolean => MAGIC.equals(value.subarray(0, MAGIC.length));

type Seal = {
  readonly seal: (key: string, value: Uint8Array) => Buffer;
  /** `undefined` if it was sealed otherwise, under another name, or changed since. */
  readonly open: (key: string, value: Uint8Array) => Buffer | undefined;
};

/** AES-256-GCM with a nonce for each value; the name is authenticated, so that no value passes for another. */
const sealWith = (secretKey: Buffer): Seal => ({
  seal: (key, value) => {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', secretKey, nonce).setAAD(Buffer.from(key));
    const sealed = Buffer.concat([cipher.update(value), cipher.final()]);
    return Buffer.concat([MAGIC, nonce, cipher.getAuthTag(), sealed]);
  },
  open: (key, value) => {
    const sealed = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    const [nonceAt, tagAt] = [MAGIC.length, MAGIC.length + NONCE_BYTES];
    const bodyAt = tagAt + TAG_BYTES;
    if (sealed.length < bodyAt || !isSealed(sealed)) return undefined;
    try {
      const decipher = createDecipheriv('aes-256-gcm', secretKey, sealed.subarray(nonceAt, tagAt), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(key)).setAuthTag(sealed.subarray(tagAt, bodyAt));
      return Buffer.concat([decipher.update(sealed.subarray(bodyAt)), decipher.final()]);
    } catch {
      return undefined;
    }
  },
});

/** Off the event loop: scrypt is slow on purpose. */
const deriveKey = (passphrase: Secret, { N, r, p, salt }: Header['kdf']): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const maxmem = 256 * N * r;
    scrypt(reveal(passphrase).normalize('NFC'), Buffer.from(salt, 'base64'), 32, { N, r, p, maxmem }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });

const newSeal = async (passphrase: Secret): Promise<{ readonly seal: Seal; readonly header: Buffer }> => {
  const kdf = { name: 'scrypt', ...COST, salt: randomBytes(16).toString('base64') } as const;
  const seal = sealWith(await deriveKey(passphrase, kdf));
  const header: Header = { schema: 1, kdf, check: seal.seal(SEAL, Buffer.from(KNOWN)).toString('base64') };
  return { seal, header: Buffer.from(JSON.stringify(header)) };
};

const corrupt = (): AppError<'ca_corrupt'> =>
  new AppError(
    'ca_corrupt',
    'the store says that its keys are encrypted, and not how (seal): put a backup of the data directory back',
  );

const readHeader = ({ value }: Entry): Header => {
  try {
    const header = headerSchema.parse(JSON.parse(Buffer.from(value).toString('utf8')));
    const { N, r, p } = header.kdf;
    if (N * r * p <= MOST_COST * COST.r) return header;
  } catch {
    // Told below, without a word of what was read.
  }
  throw corrupt();
};

const heldSeal = async (entry: Entry, passphrase: Secret | undefined): Promise<Seal> => {
  const { kdf, check } = readHeader(entry);
  if (passphrase === undefined)
    throw new AppError(
      'ca_sealed',
      'the keys in the data directory are encrypted: name their passphrase with --ca-passphrase-file or --ca-passphrase-command',
    );
  const seal = sealWith(await deriveKey(passphrase, kdf));
  if (seal.open(SEAL, Buffer.from(check, 'base64'))?.toString() !== KNOWN)
    throw new AppError(
      'ca_passphrase',
      'the passphrase is not the one that the keys in the data directory are encrypted with',
    );
  return seal;
};

/** How they are encrypted is gone, and what is encrypted once more no backup of that opens. @throws AppError `ca_corrupt` */
const refuseOrphans = (store: Store): void => {
  if (store.list('ca/').some(({ value }) => isSealed(value))) throw corrupt();
};

/** The same store with its keys in clear for whoever holds the passphrase. What cannot be opened reads as nothing. */
const opened = (store: Store, { seal, open }: Seal): Store => {
  const inClear = (entry: Entry): Entry =>
    isSecret(entry.key) ? { ...entry, value: open(entry.key, entry.value) ?? new Uint8Array() } : entry;
  const sealed = (write: Write): Write =>
    isSecret(write.key) && write.value !== undefined ? { ...write, value: seal(write.key, write.value) } : write;
  return Object.freeze({
    get: (key: string) => {
      const entry = store.get(key);
      return entry && inClear(entry);
    },
    list: (prefix: string) => store.list(prefix).map(inClear),
    commit: (writes: readonly Write[]) => store.commit(writes.map(sealed)),
    close: store.close,
  });
};

/** Everything secret anew in one commit, each entry only if nobody changed it: all of it is sealed, or as it was. */
const rewrite = (store: Store, from: Store, to: Seal | undefined, header: Buffer | undefined): Promise<void> =>
  store.commit([
    { key: SEAL, value: header, ifRevision: store.get(SEAL)?.revision ?? 0 },
    ...from
      .list('')
      .filter(({ key }) => isSecret(key))
      .map(({ key, value, revision }) => ({
        key,
        value: to === undefined ? value : to.seal(key, value),
        ifRevision: revision,
      })),
  ]);

/**
 * The store with private keys encrypted at rest, if a passphrase is given. A store in clear is encrypted by that, in one
 * commit, and `onClear` is told before: where it had been encrypted, somebody put other keys there.
 * @throws AppError `ca_sealed` if it is encrypted and no passphrase is given, `ca_passphrase` if it is another one,
 * `ca_corrupt`, the store's
 */
export const openSealed = async (
  store: Store,
  passphrase: Secret | undefined,
  onClear: () => void = () => {},
): Promise<Store> => {
  const header = store.get(SEAL);
  if (header !== undefined) return opened(store, await heldSeal(header, passphrase));
  refuseOrphans(store);
  if (passphrase === undefined) return store;
  if (store.list('ca/').length > 0) onClear();
  const made = await newSeal(passphrase);
  await rewrite(store, store, made.seal, made.header);
  return opened(store, made.seal);
};

/**
 * Encrypts with another passphrase, or no more. Entries that the old passphrase does not open are a refusal: nothing is lost.
 * @throws AppError as `openSealed`
 */
export const resealStore = async (store: Store, old: Secret | undefined, next: Secret | undefined): Promise<void> => {
  const header = store.get(SEAL);
  if (header === undefined) refuseOrphans(store);
  const from = header === undefined ? store : opened(store, await heldSeal(header, old));
  const lost = from.list('').find(({ key, value }) => isSecret(key) && value.length === 0);
  if (lost !== undefined)
    throw new AppError(
      'ca_corrupt',
      `${lost.key} in the store cannot be decrypted, and nothing was changed: put a backup back`,
    );
  const made = next === undefined ? undefined : await newSeal(next);
  if (header !== undefined || made !== undefined) await rewrite(store, from, made?.seal, made?.header);
};
