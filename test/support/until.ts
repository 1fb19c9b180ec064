/** Waits until `test` holds. */
export const until = async (test: () => boolean | Promise<boolean>, timeout = 5_000): Promise<void> => {
  const deadline = Date.now() + timeout;
  while (!(await test())) {
    if (Date.now() > deadline) throw new Error(`did not come true in ${timeout} ms: ${test.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
