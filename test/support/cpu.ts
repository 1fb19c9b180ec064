/** CPU time of this process while `work` runs, in ms. Neighbours on the machine do not count, as they would by the clock. */
export const cpuOf = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
};
