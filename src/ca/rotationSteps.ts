import type { Instant } from '../lib/time.ts';
import {
  activateIntermediate,
  activateRoot,
  intermediateInForce,
  type MeshState,
  prepareRoot,
  replaceIntermediate,
  retireIntermediate,
  retireRoot,
  rootInForce,
  taintRoot,
} from './meshState.ts';
import type { Rotation, RotationKind, RotationStep } from './rotation.ts';
import { activate, inState, type NewSlot, refused, slotOf } from './slots.ts';

/**
 * The CAs that a rotation leads to: an intermediate below the present root where `root` is absent; `prepared`: what lies
 * prepared in the state because it was signed elsewhere.
 */
export type NewCas = { readonly root: NewSlot | undefined; readonly intermediate: NewSlot } | 'prepared';

const running = ({ rotation }: MeshState): Rotation => {
  if (rotation === undefined) throw refused('no rotation is running');
  return rotation;
};

/**
 * Begins a plan. A new root is prepared and distributed first; a new intermediate signs at once, because leaves carry it.
 * @throws AppError `rotation_refused` if one is running
 */
export const startRotation = (
  state: MeshState,
  plan: { readonly id: string; readonly kind: RotationKind; readonly reason: string; readonly cas: NewCas },
  now: Instant,
): MeshState => {
  if (state.rotation !== undefined)
    throw refused(
      `the rotation ${state.rotation.id} is at its step ${state.rotation.step}: let it end, or \`signet ca rotate --abort\``,
    );
  const { id, kind, reason, cas } = plan;
  const base = { id, kind, reason, startedAt: now, stepSince: now, paused: false };
  if (cas === 'prepared') return startPrepared(state, base, now);
  if (cas.root === undefined) {
    const from = slotOf(intermediateInForce(state));
    const to = cas.intermediate.certificate.facts.serial;
    return { ...replaceIntermediate(state, cas.intermediate, now), rotation: { ...base, step: 'issue', from, to } };
  }
  const [from, to] = [slotOf(rootInForce(state)), cas.root.certificate.facts.serial];
  const prepared = prepareRoot(state, cas.root, cas.intermediate, now);
  return { ...prepared, rotation: { ...base, step: 'distribute', from, to } };
};

/** The same with what was signed elsewhere: a root is in the bundle already, an intermediate below the present root signs. */
const startPrepared = (state: MeshState, base: Omit<Rotation, 'step' | 'from' | 'to'>, now: Instant): MeshState => {
  const [root, intermediate] = [inState(state.roots, 'prepared'), inState(state.intermediates, 'prepared')];
  if (root !== undefined) {
    const [from, to] = [slotOf(rootInForce(state)), slotOf(root)];
    // What is prepared decides: with another root it is no rotation of the intermediate alone.
    const kind = base.kind === 'compromise' ? 'compromise' : 'root';
    return { ...state, rotation: { ...base, kind, step: 'distribute', from, to } };
  }
  if (intermediate === undefined) throw refused('nothing is prepared');
  if (base.kind === 'compromise')
    throw refused('what is prepared belongs to the present root, and a compromised root needs another one');
  const [from, to] = [slotOf(intermediateInForce(state)), slotOf(intermediate)];
  const intermediates = activate(state.intermediates, to, now);
  return { ...state, intermediates, rotation: { ...base, kind: 'intermediate', step: 'issue', from, to } };
};

/**
 * What runs becomes a rotation away from a compromised root: one of the root goes on without its patience, and what goes is
 * tainted as soon as it signs no more; one of the intermediate below the root is dropped, for another to begin. Whose key is
 * out is the root that goes: `--abort` makes that the other one. The same where neither runs.
 * @throws AppError `rotation_refused` if it is one already
 */
export const hurried = (
  state: MeshState,
  { id, reason }: { readonly id: string; readonly reason: string },
  now: Instant,
): MeshState => {
  const { rotation } = state;
  if (rotation === undefined) return state;
  const { kind, step, from } = rotation;
  if (kind === 'intermediate') return { ...state, rotation: undefined };
  if (kind === 'compromise') throw refused(`the rotation ${rotation.id} is away from a compromised root: let it end`);
  const next = step === 'distribute' ? state : taintRoot(state, from, now);
  return { ...next, rotation: { ...rotation, id, kind: 'compromise', reason, stepSince: now, paused: false } };
};

/**
 * Ends a step, after its gate was seen open: `at` names plan and step, so that none is ended twice.
 * @throws AppError `rotation_refused` if the plan is elsewhere or paused
 */
export const advanceRotation = (
  state: MeshState,
  at: { readonly id: string; readonly step: RotationStep },
  now: Instant,
): MeshState => {
  const rotation = running(state);
  const { id, kind, step, from, to } = rotation;
  if (id !== at.id || step !== at.step) throw refused(`the rotation ${at.id} is not at its step ${at.step}`);
  if (rotation.paused) throw refused(`the rotation ${id} is paused: \`signet ca rotate --resume\` first`);
  if (step === 'issue') return { ...state, rotation: { ...rotation, step: 'retire', stepSince: now } };
  if (step === 'retire') {
    const end = kind === 'intermediate' ? retireIntermediate : retireRoot;
    return { ...end(state, from, now), rotation: undefined };
  }
  const activated = activateRoot(state, to, now);
  const next = kind === 'compromise' ? taintRoot(activated, from, now) : activated;
  return { ...next, rotation: { ...rotation, step: 'issue', stepSince: now } };
};

/** @throws AppError `rotation_refused` if none is running */
export const pauseRotation = (state: MeshState, paused: boolean): MeshState => ({
  ...state,
  rotation: { ...running(state), paused },
});

/**
 * Back to the old one. Before anything was issued the new one is dropped; afterwards the old one signs again, and the same
 * gates lead leaves back to it before the new one is retired.
 * @throws AppError `rotation_refused` if none is running, or the old one was compromised
 */
export const abortRotation = (state: MeshState, reason: string, now: Instant): MeshState => {
  const rotation = running(state);
  const { kind, step, from, to } = rotation;
  if (step === 'distribute') {
    const next = inState(state.intermediates, 'prepared');
    // Unless there is no way on either.
    if (kind === 'compromise' && next !== undefined && now < next.certificate.notAfter)
      throw refused(
        'somebody else may have the key of the present root, so there is no way back to it: let the rotation end',
      );
    // What was signed elsewhere stays prepared, as it was before the plan began: its key cannot be had anew.
    const imported = inState(state.roots, 'prepared')?.origin !== undefined;
    return { ...(imported ? state : retireRoot(state, to, now)), rotation: undefined, abortedAt: now };
  }
  const back = (kind === 'intermediate' ? activateIntermediate : activateRoot)(state, from, now);
  return {
    ...back,
    abortedAt: now,
    rotation: { ...rotation, step: 'issue', stepSince: now, paused: false, reason, from: to, to: from },
  };
};
