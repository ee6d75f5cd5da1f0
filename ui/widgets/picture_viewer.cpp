// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "widgets/picture_viewer.h"

#include "theme/tokens.h"

#include <QKeyEvent>
#include <QPainter>
#include <QScreen>

namespace ui {

PictureViewer::PictureViewer(QWidget *parent, const QImage &image) : QDialog(parent), m_image(image)
{
    setAttribute(Qt::WA_DeleteOnClose);
    const QSize room = (screen() ? screen()->availableSize() : QSize(1200, 900)) * 8 / 10;
    QSize size = image.size().boundedTo(room);
    resize(size.expandedTo({480, 360}));
    setCursor(Qt::OpenHandCursor);
}

void PictureViewer::open(QWidget *parent, const QImage &image, const QString &name)
{
    if (image.isNull())
        return;
    auto *viewer = new PictureViewer(parent, image);
    const QString size = QStringLiteral("%1 × %2").arg(image.width()).arg(image.height());
    viewer->setWindowTitle(name.isEmpty() ? size : name + QStringLiteral(", ") + size);
    viewer->setAccessibleName(viewer->windowTitle());
    viewer->show();
}

double PictureViewer::fitScale() const
{
    return std::min({double(width()) / m_image.width(), double(height()) / m_image.height(), 8.0});
}

void PictureViewer::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    painter.fillRect(rect(), theme::tokensFor(this)[theme::Role::Sunken]);
    const double scale = fitScale() * m_zoom;
    painter.setRenderHint(QPainter::SmoothPixmapTransform, scale < 4);
    const QSizeF size(m_image.width() * scale, m_image.height() * scale);
    painter.drawImage(QRectF(QPointF((width() - size.width()) / 2, (height() - size.height()) / 2) + m_offset, size), m_image);
}

void PictureViewer::zoomAt(const QPointF &point, double factor)
{
    const double before = m_zoom;
    m_zoom = std::clamp(m_zoom * factor, 1.0, 32.0);
    const QPointF center(width() / 2.0, height() / 2.0);
    m_offset = point - center - (point - center - m_offset) * (m_zoom / before);
    if (m_zoom <= 1.0)
        m_offset = {};
    update();
}

void PictureViewer::wheelEvent(QWheelEvent *event)
{
    zoomAt(event->position(), event->angleDelta().y() > 0 ? 1.25 : 0.8);
}

void PictureViewer::mousePressEvent(QMouseEvent *event)
{
    m_last = event->position();
}

void PictureViewer::mouseMoveEvent(QMouseEvent *event)
{
    if (!(event->buttons() & Qt::LeftButton) || m_zoom <= 1.0)
        return;
    m_offset += event->position() - m_last;
    m_last = event->position();
    update();
}

void PictureViewer::mouseDoubleClickEvent(QMouseEvent *event)
{
    zoomAt(event->position(), m_zoom > 1.0 ? 1.0 / m_zoom : 1.0 / fitScale());
}

void PictureViewer::keyPressEvent(QKeyEvent *event)
{
    const QPointF center(width() / 2.0, height() / 2.0);
    if (event->key() == Qt::Key_Plus || event->key() == Qt::Key_Equal)
        zoomAt(center, 1.25);
    else if (event->key() == Qt::Key_Minus)
        zoomAt(center, 0.8);
    else if (event->key() == Qt::Key_0)
        zoomAt(center, 0.0001);
    else
        QDialog::keyPressEvent(event);
}

} // namespace ui
