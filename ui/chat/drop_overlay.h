// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QWidget>

namespace ui {

class Composer;

// Makes a whole page take dropped pictures for its composer; while something is dragged over it, it says so.
class DropOverlay final : public QWidget
{
    Q_OBJECT

public:
    DropOverlay(QWidget *page, Composer *composer);
    void setLabel(const QString &label);

protected:
    bool eventFilter(QObject *watched, QEvent *event) override;
    void paintEvent(QPaintEvent *event) override;

private:
    Composer *m_composer;
    QString m_label;
};

} // namespace ui
