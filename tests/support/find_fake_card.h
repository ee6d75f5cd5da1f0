// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/fake_card.h"

#include <QCoreApplication>
#include <QString>

#include <dlfcn.h>

namespace tests {

// The switches of the pretended plug-in, which the engine finds beside the program, where the test's build puts it. Null: it
// cannot be loaded (dlerror() says why).
inline FakeCard *findFakeCard()
{
    const QString path = QCoreApplication::applicationDirPath() + QStringLiteral("/libdiptych-cuda.so");
    void *library = dlopen(path.toLocal8Bit().constData(), RTLD_NOW | RTLD_LOCAL);
    return library != nullptr ? static_cast<FakeCard *>(dlsym(library, FAKE_CARD_SYMBOL)) : nullptr;
}

} // namespace tests
