from django.urls import path

import views

urlpatterns = [
    path("", views.greet),
    path("count/", views.count),
    path("square/<int:number>/", views.square),
    path("contact/", views.contact),
    path("lines/", views.lines),
]
