// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QTextEdit>

namespace ui {

// Plain text that grows with what is written up to some lines, then scrolls. Enter submits.
class GrowingTextEdit final : public QTextEdit
{
    Q_OBJECT

public:
    explicit GrowingTextEdit(QWidget *parent = nullptr);

    void setHintText(const QString &text); // shown while empty, also as the accessible name

signals:
    void submitted();
    void mimeDataPasted(const QMimeData *data, bool *taken); // pictures are not for the text

protected:
    void keyPressEvent(QKeyEvent *event) override;
    bool canInsertFromMimeData(const QMimeData *source) const override;
    void insertFromMimeData(const QMimeData *source) override;
    void resizeEvent(QResizeEvent *event) override;

private:
    void fit();
};

} // namespace ui
