// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "commands.h"
#include "exit_code.h"
#include "interrupt.h"

#include <array>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>

int main(int argc, char **argv)
{
    using namespace cli;
    CLI::App app("Ask, compare, measure and inspect models of the DeepSeek family on this machine.",
                 "diptych-cli");
    app.require_subcommand(1);
    app.set_version_flag("--version", "diptych-cli " DIPTYCH_VERSION);
    const std::array commands{addAsk(app),   addCompare(app),  addBench(app),
                              addScore(app), addTokenize(app), addInspect(app),
                              addEval(app),  addModels(app),   addSelftest(app)};
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? kDone : kUsage;
    }
    catchInterrupts();
    try {
        for (const AddedCommand &command : commands) {
            if (command.app->parsed()) {
                const int code = command.run();
                if (std::fflush(stdout) != 0 && code == kDone)
                    return fail(
                        {engine::ErrorCode::Storage,
                         "the output cannot be written; is the disk full or the reader gone?"});
                return code;
            }
        }
    } catch (const std::bad_alloc &) {
        return fail({engine::ErrorCode::OutOfMemory, "the machine has no memory left"});
    } catch (const std::system_error &failure) { // a thread that cannot be started
        return fail({engine::ErrorCode::OutOfMemory,
                     std::string("the machine has no room for another thread: ") + failure.what()});
    } catch (const std::exception &failure) {
        return fail({engine::ErrorCode::Internal, failure.what()});
    }
    return kUsage;
}
