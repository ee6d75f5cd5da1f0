// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace decode {

// Before anything is read: memory, processor time, no core file, no further process.
void limitResources();

// After the input is read: no new file descriptor, and only the system calls that decoding and writing need; any
// other ends the process. Where the kernel has no seccomp the limits above stay. Linux on x86-64 and AArch64.
void enterSandbox();

} // namespace decode
