import { isOver } from '../features/authorization/plan.ts';
import { operationMatches, some, sourceMatches } from '../features/authorization/rule.ts';
import { iso } from '../lib/time.ts';
import { ownDomains } from '../model/mesh.ts';
import type { Rule } from '../model/rule.ts';
import type { Question } from './question.ts';
import { showOperations, showSources } from './show.ts';
import type { Verdict } from './verdict.ts';

/** Of the allow rules that do not admit a call, the one that comes nearest: ended, then other calls, then other callers. */
export const nearestMiss = (rules: readonly Rule[], question: Question): Verdict['nearestMiss'] => {
  let best: { readonly rank: number; readonly rule: Rule; readonly reason: string } | undefined;
  for (const rule of rules) {
    const [rank, reason] = lack(rule, question);
    if (best === undefined || rank < best.rank) best = { rank, rule, reason };
  }
  return best === undefined ? undefined : { location: best.rule.location, reason: best.reason };
};

const lack = (rule: Rule, { mesh, now, connection, request }: Question): readonly [rank: number, reason: string] => {
  const { action } = rule;
  const own = ownDomains(mesh);
  const caller = rule.from.some((source) => sourceMatches(source, connection.identity, { ownDomains: own, action }));
  const call = some(rule.to.map((operation) => operationMatches(operation, request, false))) !== 'no';
  const over = isOver(rule, now) ? `it ended at ${iso(rule.until ?? 0)}` : undefined;
  if (caller && call) return [0, over ?? 'it takes this call'];
  if (caller)
    return [
      over === undefined ? 1 : 3,
      `it is for ${showOperations(rule.to)}${over === undefined ? '' : `, and ${over}`}`,
    ];
  const unproven = connection.identity === undefined ? ', and this caller proves no identity' : '';
  return [(call ? 2 : 4) + (over === undefined ? 0 : 2), `it is for ${showSources(rule.from)}${unproven}`];
};
