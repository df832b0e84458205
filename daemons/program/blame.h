#pragma once
// Makes a crash or an exit() of this process name the task whose thread it was.
//
// Handlers for SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT and SIGSYS write to the crash page and let
// the signal's default action follow; so does a handler of exit(), which then leaves by _exit: the
// other threads still run, and destructors of globals under their feet would only crash them.
//
// Threading: install once, before other threads; prepareThread on every thread that runs tasks.

#include "daemons/program/crash_page.h"

namespace alnilam {

// `page` stays mapped for the rest of the process.
void installBlame(CrashPage page);

// Gives the calling thread a signal stack, kept for its life.
void prepareThread();

}  // namespace alnilam
