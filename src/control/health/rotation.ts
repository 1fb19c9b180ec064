import { type Duration, type Instant, iso } from '../../lib/time.ts';
import type { RotationReport } from '../rotation/loop.ts';
import { type Check, fine, type Line, pending, warning } from './finding.ts';
import { count, named, span } from './words.ts';

/** A step that all sidecars answer takes seconds. */
const PATIENCE: Duration = 60_000;

export const rotation: Check = {
  code: 'CHK0514',
  group: 'certificates',
  about: 'no rotation of the CAs stands still',
  look: ({ rotation: report, now }) => {
    const { plan, due, own } = report;
    if (plan !== undefined) return [running(report, plan)];
    if (now < due) {
      const next = own
        ? `a new root is led in by itself from ${iso(due)} on`
        : `the key of the root is not in Signet: its owner brings the next one, from ${iso(due)} on`;
      return [fine(`no rotation is running; ${next}`)];
    }
    const why = report.trouble ?? (own ? ownDelay(report, now) : 'nobody has brought the next one');
    return [
      warning(
        `the root was to be replaced from ${iso(due)} on: ${why}`,
        own
          ? '`signet ca rotate --yes` begins it now'
          : 'have its owner bring the next one: `signet ca csr`, or the signer',
      ),
    ];
  },
};

const ownDelay = ({ heldOffUntil }: RotationReport, now: Instant): string =>
  now < heldOffUntil
    ? `it was aborted, and begins again at ${iso(heldOffUntil)}`
    : 'it begins once the clock has said so for as long as a certificate lives (CHK0513)';

const running = (report: RotationReport, plan: NonNullable<RotationReport['plan']>): Line => {
  const { at, gate, trouble } = report;
  const name = `the rotation of the ${plan.kind === 'intermediate' ? 'intermediate' : 'root'}`;
  const stands = `${name} is at its step ${plan.step} since ${iso(plan.stepSince)}`;
  if (plan.paused)
    return warning(
      `${name} is paused at its step ${plan.step}`,
      plan.kind === 'compromise'
        ? '`signet ca rotate --resume`: there is no way back to a compromised root'
        : '`signet ca rotate --resume`, or `--abort` to go back',
    );
  if (trouble !== undefined)
    return warning(
      `${stands}: its next step could not be stored: ${trouble}`,
      'it is tried again every 5s; see CHK0102 and the log of `signet serve`',
    );
  const waits = gate?.waitingFor ?? [];
  const who = `${count(waits.length, 'sidecar')} (${named(waits.map(({ node, why }) => `${node} ${why}`))})`;
  if (waits.length === 0 || at - plan.stepSince < PATIENCE)
    return pending(waits.length === 0 ? stands : `${stands} and waits for ${who}`, 'wait, or see `signet ca rotate`');
  const ends = waits.map(({ until }) => until ?? Number.POSITIVE_INFINITY);
  const last = Math.max(...ends);
  const until = Number.isFinite(last) ? `at most until ${iso(last)}` : 'until they answer';
  return warning(
    `${stands} (${span(at - plan.stepSince)}) and waits for ${who}, ${until}`,
    'start what is away, or revoke the token of what is gone for good (`signet token list`); see CHK0302 for what was refused; `signet ca rotate` shows all',
  );
};

export const channelAnchors: Check = {
  code: 'CHK0515',
  group: 'certificates',
  about: 'no old anchor of the channel is left over',
  look: ({ channel: { anchors, onlyOld } }) => {
    const old = anchors.filter(({ state }) => state === 'old');
    if (old.length === 0) return [fine('every bootstrap is to hold the one anchor of the channel')];
    const who = onlyOld.length === 0 ? 'no connected sidecar needs it' : `with it alone: ${named(onlyOld)}`;
    return [
      warning(
        `the channel has an old anchor; ${who}`,
        onlyOld.length === 0
          ? '`signet ca rotate --channel` says who is away and may need it; then `--retire`'
          : 'give those a new bootstrap, then `signet ca rotate --channel --retire`',
      ),
    ];
  },
};
