import { decide } from '../decide/decide.ts';
import { type ListedCall, listAllowed } from '../decide/listAllowed.ts';
import { findCaller, findPort } from '../decide/reference.ts';
import type { Caller, Verdict } from '../decide/verdict.ts';
import { showLocation } from '../lib/diagnostic.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type Instant, iso } from '../lib/time.ts';
import type { Mesh } from '../model/mesh.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';

/** A question as an operator writes it. */
export type CanQuestion = {
  readonly from: string;
  readonly to: string;
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly plaintext?: boolean | undefined;
};

/** What `signet can -o json` prints. */
export type CanAnswer = {
  readonly verdict: 'ALLOW' | 'DENY';
  readonly reason: string;
  /** The line that decides, `file:line`. */
  readonly rule: string | null;
  readonly nearestMiss: { readonly rule: string; readonly reason: string } | null;
  /** What the question leaves open and the verdict hangs on. */
  readonly dependsOn: readonly string[];
  readonly note: string | null;
  /** Without a method on an HTTP port: what the caller may do, and what is taken away again. */
  readonly calls: { readonly allowed: readonly CanCall[]; readonly denied: readonly CanCall[] } | null;
};

export type CanCall = { readonly call: string; readonly rule: string; readonly until: string | null };

/** Answers a question by the mesh alone; the error is a sentence about the question. */
export const can = (
  mesh: Mesh,
  now: Instant,
  question: CanQuestion,
  noteOn: (id: SpiffeId) => string | undefined = () => undefined,
): Result<CanAnswer, string> => {
  const from = findCaller(mesh, question.from);
  if (!from.ok) return from;
  const verdict = judge(mesh, now, question, from.value);
  const id = question.plaintext === true ? undefined : identityOf(mesh, from.value);
  const note = id === undefined ? undefined : noteOn(id);
  if (!verdict.ok || note === undefined) return verdict;
  const notes = [verdict.value.note, note].filter((one) => one !== null);
  return ok({ ...verdict.value, note: notes.join('; ') });
};

const identityOf = (mesh: Mesh, from: Caller): SpiffeId | undefined => {
  if (from.kind === 'identity') return from.id;
  return from.kind === 'service' ? mesh.services.get(from.key)?.identity : undefined;
};

const judge = (mesh: Mesh, now: Instant, question: CanQuestion, from: Caller): Result<CanAnswer, string> => {
  const target = findPort(mesh, question.to, from);
  if (!target.ok) return target;
  const { method, path, plaintext = false } = question;
  if (target.value.port.protocol === 'tcp' && method !== undefined) {
    return err(`${question.to} is a tcp port, which knows no methods and paths`);
  }
  const call = { from, plaintext, ...target.value };
  if (target.value.port.protocol === 'tcp') return ok(answer(decide(mesh, now, call)));
  if (method !== undefined) return ok(answer(decide(mesh, now, { ...call, request: { method, path } })));
  const { verdict, allowed, denied } = listAllowed(mesh, now, call);
  return ok({ ...answer(verdict), calls: { allowed: allowed.map(listed), denied: denied.map(listed) } });
};

const answer = (verdict: Verdict): CanAnswer => ({
  verdict: verdict.allow ? 'ALLOW' : 'DENY',
  reason: verdict.reason,
  rule: verdict.location === undefined ? null : showLocation(verdict.location),
  nearestMiss:
    verdict.nearestMiss === undefined
      ? null
      : { rule: showLocation(verdict.nearestMiss.location), reason: verdict.nearestMiss.reason },
  dependsOn: verdict.dependsOn ?? [],
  note: verdict.note ?? null,
  calls: null,
});

const listed = ({ call, location, until }: ListedCall): CanCall => ({
  call,
  rule: showLocation(location),
  until: until === undefined ? null : iso(until),
});
