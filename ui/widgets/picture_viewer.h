// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QDialog>
#include <QImage>

namespace ui {

// A picture on its own: fits the window, zooms with the wheel or + and -, moves with the pointer. Esc closes.
class PictureViewer final : public QDialog
{
    Q_OBJECT

public:
    static void open(QWidget *parent, const QImage &image, const QString &name);

protected:
    void paintEvent(QPaintEvent *event) override;
    void wheelEvent(QWheelEvent *event) override;
    void mousePressEvent(QMouseEvent *event) override;
    void mouseMoveEvent(QMouseEvent *event) override;
    void mouseDoubleClickEvent(QMouseEvent *event) override;
    void keyPressEvent(QKeyEvent *event) override;

private:
    PictureViewer(QWidget *parent, const QImage &image);
    void zoomAt(const QPointF &point, double factor);
    [[nodiscard]] double fitScale() const;

    QImage m_image;
    double m_zoom = 1; // over the size that fits
    QPointF m_offset;
    QPointF m_last;
};

} // namespace ui
