import { keepNewest } from '../lib/newest.ts';
import type { Port, Service } from '../model/mesh.ts';
import type { Declared } from './proxyPlan.ts';

/** Enough for a large mesh; what is pushed out is encoded once more. */
const MOST = 10_000;

const ofPort = new WeakMap<Port, Declared>();
const equal = new Map<string, Declared>();

/**
 * What callers may know of a port, one object for all that say the same: a new rule makes all services of its namespace
 * other ones, and what their callers were told of them need not be encoded again.
 */
export const declaredOf = ({ key, namespace, name, identity }: Service, port: Port): Declared => {
  const known = ofPort.get(port);
  if (known !== undefined) return known;
  const { name: portName, port: number, protocol } = port;
  // No part of it holds a space.
  const text = `${key} ${portName} ${number} ${protocol} ${identity}`;
  const declared =
    equal.get(text) ?? Object.freeze({ service: key, namespace, name, portName, port: number, protocol, identity });
  keepNewest(equal, text, declared, MOST);
  ofPort.set(port, declared);
  return declared;
};
