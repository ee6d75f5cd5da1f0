// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/table.h"

#include <QTest>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

using namespace kernels;

// What products write before they start: exactly the bytes that they asked for.
class TestPrepare : public QObject {
    Q_OBJECT

private slots:
    void onlyTheAskedForBytesAreWritten_data()
    {
        QTest::addColumn<int>("table");
        QTest::addColumn<int>("kind");
        QTest::addColumn<bool>("exact");
        const auto tables = availableTables();
        for (std::size_t i = 0; i < tables.size(); ++i)
            for (const PackedKind kind : {PackedKind::F32, PackedKind::F16, PackedKind::BF16, PackedKind::F8E4M3, PackedKind::Q8, PackedKind::Q4})
                for (const bool exact : {true, false})
                    QTest::addRow("%s, kind %d%s", std::string(tables[i]->name).c_str(), static_cast<int>(kind), exact ? ", exact" : "")
                        << static_cast<int>(i) << static_cast<int>(kind) << exact;
    }
    void onlyTheAskedForBytesAreWritten()
    {
        QFETCH(int, table);
        QFETCH(int, kind);
        QFETCH(bool, exact);
        const KernelTable &kernel = *availableTables()[static_cast<std::size_t>(table)];
        const auto packed = static_cast<PackedKind>(kind);
        const bool isBlocks = packed == PackedKind::Q8 || packed == PackedKind::Q4;
        constexpr int kMostRows = 30;
        constexpr std::size_t kGuard = 4096;
        for (const int columns : {32, isBlocks ? 256 : 253}) {
            const std::vector<float> input(static_cast<std::size_t>(kMostRows * columns), 1.5F);
            for (int rows = 1; rows <= kMostRows; ++rows) {
                LinearArgs args;
                args.input = input.data();
                args.inputStride = columns;
                args.weight.rows = 17;
                args.weight.columns = columns;
                args.weight.kind = packed;
                args.weight.scaleColumns = isBlocks ? 32 : packed == PackedKind::F8E4M3 ? 128 : 0;
                args.rows = rows;
                args.exact = exact;
                const std::size_t bytes = kernel.preparedBytes(args);
                const int panelRows = kernel.panelRows(args);
                std::vector<std::byte> memory(bytes + 2 * kGuard, std::byte{0xA5});
                auto *const aligned = reinterpret_cast<std::byte *>(
                    (reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64);
                kernel.prepare(args, aligned, 0, (rows + panelRows - 1) / panelRows);
                QVERIFY2(std::all_of(aligned + bytes, memory.data() + memory.size(), [](std::byte b) { return b == std::byte{0xA5}; }),
                    qPrintable(QStringLiteral("%1 rows of %2 columns, %3 bytes").arg(rows).arg(columns).arg(bytes)));
            }
        }
    }
};

QTEST_APPLESS_MAIN(TestPrepare)
#include "tst_prepare.moc"
