/** Everything that a front end may use: the heavy bundle, loaded on first use. */

export { drift, remove, undo, watchDrift } from './changes.ts';
export { type ClusterInfo, createCluster, listClusters } from './clusters.ts';
export { type Diagnosis, doctor } from './doctor.ts';
export { type Drift, hasMoved } from './drift/model.ts';
export { driftMarkdown, driftText } from './drift/text.ts';
export { localHost } from './host/local.ts';
export { openHost } from './host/open.ts';
export { listDistros } from './host/wsl.ts';
export { factsText, pullText } from './image/facts-text.ts';
export { imagesText, loadText } from './image/images-text.ts';
export { image, images, load, localImages, pull } from './images.ts';
export { type FromInsight, fromInsights } from './insight/from.ts';
export { type PolicyFile, policyInsights } from './insight/policies.ts';
export { type Overview, overview, policyYaml } from './overview.ts';
export {
  type Approve,
  capture,
  mirror,
  type Project,
  plan,
  sync,
  verify,
} from './pipeline.ts';
export { planDocuments } from './plan/documents.ts';
export { cautions } from './plan/fidelity-text.ts';
export type { Plan } from './plan/model.ts';
export { partOf } from './plan/part.ts';
export { chosenPair } from './plan/place.ts';
export { hasChanges } from './plan/plan.ts';
export { planText } from './plan/text.ts';
export { parseAssertions } from './policy/assertions.ts';
export { type CheckResult, checkText } from './policy/check.ts';
export { matrixText } from './policy/matrix.ts';
export {
  check,
  diff,
  explain,
  explainPod,
  explainPolicy,
  explainUnmatched,
  judgeAssertions,
  matrix,
  matrixPage,
  type Question,
} from './questions.ts';
export { diffMarkdown, diffText } from './report/diff-text.ts';
export { reportPage } from './report/html.ts';
export { junitXml } from './report/junit.ts';
export { renderMarkdown } from './report/markdown.ts';
export type { Report } from './report/model.ts';
export { keptPairs } from './report/pairs.ts';
export { matrixSvg } from './report/picture.ts';
export { keptReports, lastDrift, lastLocal, lastReport, lastTarget, readKept } from './report/store.ts';
export { type ReportSummary, reportStanding, reportSummary, type Standing, standingOf } from './report/summary.ts';
export { renderText } from './report/text.ts';
export { type ReportView, reportView } from './report/view.ts';
export { countsText, snapshotCounts } from './snapshot/counts.ts';
export { formatSnapshot } from './snapshot/write.ts';
export { listContexts } from './target/contexts.ts';
