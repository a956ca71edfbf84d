// Test programs side by side, for a cluster test waits much; each lane has clusters of its own.

/**
 * Runs jobs in as many lanes as there are `envs` (each lane's variables). A job that needs a further cluster (`further`, its
 * variable) runs in the lane that has it, before all others; `done` hears of a variable that no job of its lane needs any
 * more. `run` gets a job and the variables for it.
 */
export async function runInLanes(jobs, envs, run, done) {
  const had = new Set(envs.flatMap((env) => Object.keys(env)));
  // Without its cluster a job skips its tests, and says so.
  const open = jobs.filter(({ further }) => further === undefined || !had.has(further));
  await Promise.all(
    envs.map(async (env) => {
      const own = jobs.filter(({ further }) => further !== undefined && further in env);
      for (const job of own) await run(job, env);
      const { CLPARITY_TEST_CLUSTER, ...further } = env;
      await done(further);
      for (let job = open.shift(); job; job = open.shift()) await run(job, { CLPARITY_TEST_CLUSTER });
      await done({ CLPARITY_TEST_CLUSTER });
    }),
  );
}
