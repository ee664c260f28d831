// Version of the program. The build replaces the three names by constants; run from source there are none.

declare const BUILD_VERSION: string;
declare const BUILD_GIT_SHORT_HASH: string;
declare const BUILD_DIRTY: boolean;

/** What `--version` prints, in the form that the ECS agent reads. */
export const VERSION = {
  version: typeof BUILD_VERSION === 'string' ? BUILD_VERSION : 'development',
  gitShortHash: typeof BUILD_GIT_SHORT_HASH === 'string' ? BUILD_GIT_SHORT_HASH : '',
  dirty: typeof BUILD_DIRTY === 'boolean' ? BUILD_DIRTY : true,
};
