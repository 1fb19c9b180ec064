import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { barredKey } from '../ca/issued.ts';
import { AppError } from '../lib/errors.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type Secret, secret } from '../lib/secret.ts';
import type { Store, Write } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { ServiceKey } from '../model/mesh.ts';
import { claimKey, decodeJson, encodeJson, tokenKey } from './keys.ts';
import { permissionDenied, type Refusal, unauthenticated } from './refusals.ts';

/** What is kept of a join token: never the token itself. */
export type TokenRecord = {
  readonly id: string;
  readonly service: ServiceKey;
  /** SHA-256 of the secret part, hex. The secret has 256 random bits, so a slow hash would add nothing. */
  readonly hash: string;
  readonly createdAt: Instant;
  /** Until when new instances may join. */
  readonly expires: Instant;
  /** How many instances may join in all. */
  readonly uses: number;
  readonly joined: number;
  readonly revokedAt?: Instant;
  /** It went with its identity: nothing makes another one by itself. */
  readonly withIdentity?: true;
};

/** A node id that a token joined. It belongs to that token until it was away for longer than `mesh.rejoin`. */
export type Claim = {
  readonly node: string;
  readonly token: string;
  readonly joinedAt: Instant;
  readonly lastSeen: Instant;
};

export type NewToken = { readonly token: Secret; readonly record: TokenRecord };

const TOKEN = /^signet_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
const NOBODY = Buffer.alloc(32);
const ATTEMPTS = 5;

/** Join tokens and the node ids that they joined, in the store. Every change is one guarded commit. */
export class JoinTokens {
  readonly #store: Store;
  readonly #joining = new Map<string, Promise<void>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** A new token for one service. This is the only time that its text exists here. */
  async create(service: ServiceKey, ttl: Duration, uses: number, now: Instant): Promise<NewToken> {
    const id = randomBytes(8).toString('hex');
    const random = randomBytes(32).toString('base64url');
    const hash = hashOf(random).toString('hex');
    const record: TokenRecord = { id, service, hash, createdAt: now, expires: now + ttl, uses, joined: 0 };
    await this.#store.commit([{ key: tokenKey(id), value: encodeJson(record), ifRevision: 0 }]);
    return { token: secret(`signet_${id}_${random}`), record };
  }

  get(id: string): TokenRecord | undefined {
    return decodeJson<TokenRecord>(this.#store.get(tokenKey(id)));
  }

  list(): readonly TokenRecord[] {
    return this.#store.list(tokenKey('')).flatMap((entry) => decodeJson<TokenRecord>(entry) ?? []);
  }

  claims(): readonly Claim[] {
    return this.#store.list(claimKey('')).flatMap((entry) => decodeJson<Claim>(entry) ?? []);
  }

  /** The record that an `authorization` header proves. Every failure has the same answer, and takes the same time. */
  authenticate(authorization: string | undefined): Result<TokenRecord, Refusal> {
    const [, id, random] = TOKEN.exec(/^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? '') ?? [];
    const record = id === undefined ? undefined : this.get(id);
    const expected = record === undefined ? NOBODY : Buffer.from(record.hash, 'hex');
    const equal = timingSafeEqual(hashOf(random ?? ''), expected);
    if (record === undefined || !equal || record.revokedAt !== undefined) return err(unauthenticated());
    return ok(record);
  }

  /** The token that a node joined with, if that join still stands: not revoked, and not away for longer than `rejoin`. */
  joinOf(node: string, rejoin: Duration, now: Instant): TokenRecord | undefined {
    const claim = decodeJson<Claim>(this.#store.get(claimKey(node)));
    const record = claim === undefined ? undefined : this.get(claim.token);
    if (claim === undefined || record === undefined || record.revokedAt !== undefined) return undefined;
    if (this.#barOf(node) !== undefined) return undefined;
    return now - claim.lastSeen <= rejoin ? record : undefined;
  }

  /**
   * Lets `node` in with a token that was proven: as an instance that comes back, or as a new one while the token's
   * time and uses last. Two at once cannot share the last use: the commit holds only at the revision that was read.
   */
  join(tokenId: string, node: string, rejoin: Duration, now: Instant): Promise<Result<Claim, Refusal>> {
    // One after the other for each token: a crowd with one token would overtake each other's commits.
    const joined = (this.#joining.get(tokenId) ?? Promise.resolve()).then(() => this.#join(tokenId, node, rejoin, now));
    const turn = joined.then(
      () => {},
      () => {},
    );
    this.#joining.set(tokenId, turn);
    void turn.then(() => {
      if (this.#joining.get(tokenId) === turn) this.#joining.delete(tokenId);
    });
    return joined;
  }

  /** Another process can still come between; then it is tried again. */
  async #join(tokenId: string, node: string, rejoin: Duration, now: Instant): Promise<Result<Claim, Refusal>> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const outcome = this.#decide(tokenId, node, rejoin, now);
      if (!outcome.ok) return outcome;
      try {
        await this.#store.commit(outcome.value.writes);
        return ok(outcome.value.claim);
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'conflict')) throw error;
      }
    }
    throw new AppError('conflict', `the join of ${node} was overtaken ${ATTEMPTS} times`);
  }

  #decide(tokenId: string, node: string, rejoin: Duration, now: Instant): Result<Admission, Refusal> {
    const tokenEntry = this.#store.get(tokenKey(tokenId));
    const token = decodeJson<TokenRecord>(tokenEntry);
    if (tokenEntry === undefined || token === undefined || token.revokedAt !== undefined) return err(unauthenticated());
    const claimEntry = this.#store.get(claimKey(node));
    const claim = decodeJson<Claim>(claimEntry);
    const ifRevision = claimEntry?.revision ?? 0;
    // Whoever was revoked needs a token that was made after that; joining with it lifts the bar, in the same commit.
    const bar = this.#barOf(node);
    if (bar !== undefined && token.createdAt <= bar.at) return err(unauthenticated());
    const lift: Write = { key: barredKey(node), value: undefined, ifRevision: bar?.revision ?? 0 };
    const alive = claim !== undefined && now - claim.lastSeen <= rejoin;
    if (alive && claim.token === tokenId) {
      const seen = { ...claim, lastSeen: now };
      return ok({ claim: seen, writes: [{ key: claimKey(node), value: encodeJson(seen), ifRevision }, lift] });
    }
    if (now >= token.expires || token.joined >= token.uses) return err(unauthenticated());
    // A live instance keeps its node id, and with it its key: another token needs another instance id.
    if (alive && bar === undefined && this.get(claim.token)?.revokedAt === undefined)
      return err(permissionDenied(TAKEN));
    const fresh: Claim = { node, token: tokenId, joinedAt: now, lastSeen: now };
    const used = { ...token, joined: token.joined + 1 };
    const writes = [
      { key: claimKey(node), value: encodeJson(fresh), ifRevision },
      { key: tokenKey(tokenId), value: encodeJson(used), ifRevision: tokenEntry.revision },
      lift,
    ];
    return ok({ claim: fresh, writes });
  }

  /** May this node not come by this token, because it was revoked since the token was made? */
  isBarred(node: string, tokenId: string): boolean {
    const bar = this.#barOf(node);
    return bar !== undefined && (this.get(tokenId)?.createdAt ?? 0) <= bar.at;
  }

  #barOf(node: string): { readonly at: Instant; readonly revision: number } | undefined {
    const entry = this.#store.get(barredKey(node));
    const bar = decodeJson<{ readonly at: Instant }>(entry);
    return entry === undefined || bar === undefined ? undefined : { ...bar, revision: entry.revision };
  }

  /** What revokes the tokens of these services together with their identity; to be committed with the rest of it. */
  revokeWrites(
    services: ReadonlySet<ServiceKey>,
    now: Instant,
  ): readonly { readonly id: string; readonly write: Write }[] {
    return this.#store.list(tokenKey('')).flatMap((entry) => {
      const record = decodeJson<TokenRecord>(entry);
      if (record === undefined || record.revokedAt !== undefined || !services.has(record.service)) return [];
      const value = encodeJson({ ...record, revokedAt: now, withIdentity: true } satisfies TokenRecord);
      return [{ id: record.id, write: { key: entry.key, value, ifRevision: entry.revision } }];
    });
  }

  /** Notes that these nodes are here now. Each must hold its claim; a claim that moved on is left alone. */
  async seen(nodes: readonly string[], now: Instant): Promise<void> {
    const writes = nodes.flatMap((node): Write[] => {
      const claim = decodeJson<Claim>(this.#store.get(claimKey(node)));
      return claim === undefined ? [] : [{ key: claimKey(node), value: encodeJson({ ...claim, lastSeen: now }) }];
    });
    if (writes.length > 0) await this.#store.commit(writes);
  }

  /** Refuses the token from now on. `false` if there is none of that id. */
  async revoke(id: string, now: Instant): Promise<boolean> {
    return this.#change(id, (record) => ({ ...record, revokedAt: record.revokedAt ?? now }));
  }

  /** Lets new instances join until `expires`. */
  async extend(id: string, expires: Instant): Promise<boolean> {
    return this.#change(id, (record) => ({ ...record, expires }));
  }

  async #change(id: string, change: (record: TokenRecord) => TokenRecord): Promise<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const entry = this.#store.get(tokenKey(id));
      const record = decodeJson<TokenRecord>(entry);
      if (entry === undefined || record === undefined) return false;
      try {
        await this.#store.commit([
          { key: tokenKey(id), value: encodeJson(change(record)), ifRevision: entry.revision },
        ]);
        return true;
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'conflict')) throw error;
      }
    }
    throw new AppError('conflict', `token ${id} was changed ${ATTEMPTS} times at once`);
  }

  /** Forgets tokens and claims that can never let anybody in again. */
  async prune(rejoin: Duration, now: Instant): Promise<void> {
    const claims = this.claims();
    const isLapsed = (claim: Claim): boolean => now - claim.lastSeen > rejoin;
    const lapsed = claims.filter(isLapsed);
    const held = new Set(claims.filter((claim) => !isLapsed(claim)).map((claim) => claim.token));
    const dead = this.list().filter((token) => now - token.expires > rejoin && !held.has(token.id));
    const gone = new Set(dead.map(({ id }) => id));
    const tokens = this.list().filter(({ id }) => !gone.has(id));
    const keys = [
      ...lapsed.map(({ node }) => claimKey(node)),
      ...dead.map(({ id }) => tokenKey(id)),
      ...this.#idleBars(tokens),
    ];
    if (keys.length > 0) await this.#store.commit(keys.map((key) => ({ key, value: undefined })));
  }

  /** Bars of nodes that no token is left to keep out by. */
  #idleBars(tokens: readonly TokenRecord[]): readonly string[] {
    return this.#store.list(barredKey('')).flatMap((entry) => {
      const node = entry.key.slice(barredKey('').length);
      const bar = this.#barOf(node);
      const keepsOut = ({ service, createdAt }: TokenRecord): boolean =>
        node.startsWith(`${service}/`) && bar !== undefined && createdAt <= bar.at;
      return tokens.some(keepsOut) ? [] : [entry.key];
    });
  }
}

type Admission = { readonly claim: Claim; readonly writes: readonly Write[] };

const TAKEN = 'this node id is held by another join token: use another instance id, or revoke that token';

const hashOf = (random: string): Buffer => hash('sha256', random, 'buffer');
