// What has happened on all hosts together.

export const counts = {
  calls: 0,
  answered: 0,
  refused: 0,
  lockedOut: 0,
  failed: 0,
  lost: 0,
  vanished: 0,
  takenBack: 0,
  commits: 0,
  committedTogether: 0,
  kills: 0,
  powerFailures: 0,
  events: 0,
};
