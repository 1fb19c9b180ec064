import { isRefusedByEnvoy, normalizePath, refusedSpelling } from '../features/authorization/path.ts';
import { isOver, refusedPaths, rulesFor } from '../features/authorization/plan.ts';
import {
  callerMatches,
  type Match,
  operationMatches,
  type RequestFacts,
  some,
} from '../features/authorization/rule.ts';
import type { Instant } from '../lib/time.ts';
import { type Mesh, ownDomains, type Service } from '../model/mesh.ts';
import type { Rule } from '../model/rule.ts';
import { connect, unprovenNote } from './connection.ts';
import { nearestMiss } from './nearestMiss.ts';
import type { Question } from './question.ts';
import { showRule } from './show.ts';
import type { Call, Verdict } from './verdict.ts';

/**
 * Would the sidecar of `call.to` admit this call at this moment? The same as Envoy with the plan of this mesh: mTLS,
 * refused spellings, deny, allow, the default. What the question leaves open is never guessed: if the verdict hangs
 * on it, it is a refusal that says so.
 */
export const decide = (mesh: Mesh, now: Instant, call: Call): Verdict => {
  const service = mesh.services.get(call.to);
  if (service === undefined) return { allow: false, reason: `there is no service ${call.to}` };
  if (call.from.kind === 'service' && !mesh.services.has(call.from.key))
    return { allow: false, reason: `there is no service ${call.from.key}` };
  const connection = connect(mesh, now, call);
  if (!connection.ok) return connection.error;
  const request = readRequest(call, service);
  if ('allow' in request) return request;
  const question: Question = { mesh, now, service, port: call.port, connection: connection.value, request };
  const verdict = byRules(question);
  const note = unprovenNote(call.from, now, service, call.port) ?? unknownName(mesh, call, verdict);
  return note === undefined ? verdict : { ...verdict, note };
};

const readRequest = ({ port, request }: Call, service: Service): RequestFacts | Verdict => {
  if (port.protocol === 'tcp') return {};
  if (request?.method === 'CONNECT') return { allow: false, reason: 'CONNECT is refused' };
  if (request?.path === undefined) return { method: request?.method };
  if (!request.path.startsWith('/'))
    return { allow: false, reason: `${request.path} is not a path: no route takes it` };
  if (isRefusedByEnvoy(request.path))
    return { allow: false, reason: 'a path with such characters is answered 400 on every port' };
  const path = normalizePath(request.path);
  const risk = refusedSpelling(path, refusedPaths(service, port));
  if (risk === undefined) return { method: request.method, path };
  const what = risk === 'control' ? 'a control character' : risk === '%25' ? 'a doubly encoded character' : risk;
  return {
    allow: false,
    reason: `the path holds ${what}, which is answered 400 where path rules are written`,
    location: port.location,
  };
};

const byRules = (question: Question): Verdict => {
  const { service, port, now } = question;
  const { deny, allow } = rulesFor(service, port);
  const denied = judge(deny, question);
  if (denied.yes !== undefined)
    return { allow: false, reason: `denied by ${showRule(denied.yes)}`, location: denied.yes.location };
  const allowed = allow === 'any' ? undefined : judge(allow, question);
  const open = denied.open ?? (allowed?.yes === undefined ? allowed?.open : undefined);
  const canPass = allow === 'any' || allowed?.yes !== undefined || allowed?.open !== undefined;
  if (canPass && open !== undefined)
    return {
      allow: false,
      reason: `it depends on the ${open.dependsOn.join(' and the ')}, by ${showRule(open.rule)}`,
      location: open.rule.location,
      dependsOn: open.dependsOn,
    };
  if (allowed?.yes !== undefined)
    return { allow: true, reason: `allowed by ${showRule(allowed.yes)}`, location: allowed.yes.location };
  const { location } = port.authorization;
  if (allow === 'any')
    return { allow: true, reason: 'no allow rule is written for this port: authorization is allow', location };
  if (allow.length === 0) return { allow: false, reason: 'no allow rule is written for this port', location };
  const miss = nearestMiss(allow, question);
  const live = allow.some((rule) => !isOver(rule, now));
  const reason = live
    ? 'no allow rule takes this call'
    : 'every allow rule of this port has ended, which leaves it closed';
  return { allow: false, reason, ...(miss === undefined ? {} : { nearestMiss: miss }) };
};

type Judgement = {
  readonly yes: Rule | undefined;
  /** The first rule that may hold, were the question complete. */
  readonly open: { readonly rule: Rule; readonly dependsOn: readonly string[] } | undefined;
};

const judge = (rules: readonly Rule[], question: Question): Judgement => {
  let open: Judgement['open'];
  for (const rule of rules) {
    if (isOver(rule, question.now)) continue;
    const match = ruleMatches(rule, question);
    if (match === 'yes') return { yes: rule, open };
    if (match !== 'no') open ??= { rule, dependsOn: match.dependsOn };
  }
  return { yes: undefined, open };
};

const ruleMatches = (rule: Rule, { mesh, connection, request }: Question): Match => {
  const port = { ownDomains: ownDomains(mesh), takesPlaintext: connection.takesPlaintext };
  if (!callerMatches(rule, connection.identity, port)) return 'no';
  return some(rule.to.map((operation) => operationMatches(operation, request, rule.action === 'deny')));
};

// A sidecar is told of what an allow rule opens to its service and of what `uses` names; the rest it answers 404.
const unknownName = (mesh: Mesh, { from, to, port }: Call, verdict: Verdict): string | undefined => {
  if (!verdict.allow || from.kind !== 'service') return undefined;
  const caller = mesh.services.get(from.key);
  const service = mesh.services.get(to);
  if (caller === undefined || service === undefined || rulesFor(service, port).allow !== 'any') return undefined;
  const used = caller.uses.some((use) => use.service === to && use.port === port.port);
  return used ? undefined : `the sidecar of ${from.key} does not know this port: name it in uses`;
};
