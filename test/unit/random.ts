import fc from 'fast-check';

const { CI, CLPARITY_SEED } = process.env;

// A machine that decides whether a change lands tries the same inputs every time; everybody else new ones. A failure
// prints its seed: CLPARITY_SEED brings it back.
if (CLPARITY_SEED !== undefined || CI) fc.configureGlobal({ seed: Number(CLPARITY_SEED ?? 20_261_123) });

export default fc;
